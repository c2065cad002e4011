"""The page says what the figures say, and needs nothing from anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

from rempart.lab.attacks.contract import Unit
from rempart.lab.contenders.catalogue import CONTENDERS
from rempart.lab.drills import report, scoreboard
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.contract import ContenderResult, DrillResult, Latency
from rempart.lab.drills.figures import row, share
from rempart.lab.drills.plots import Series, chart, nice_above
from rempart.lab.drills.running import Outcome
from rempart.lab.drills.timeline import Timeline
from rempart.lab.figures import at_least


def outcome() -> Outcome:
    result = ContenderResult(
        name="nginx", legit_total=100, legit_ok=40, goodput=0.4, latency_ms=Latency(p50=12.0, p99=4000.0),
        time_to_mitigate_s=None, false_positive_rate=0.25, cpu_seconds=3.0, attack_total=900,
        attack_reached_origin=700, attack_units={Unit.REQUESTS: 900}, calm_p99_ms=40.0, p99_over_calm=100.0,
    )  # fmt: skip
    line = Timeline(
        contender="nginx", step_s=0.1, goodput=(1.0, None, 0.5), latency_ms=(10.0, None, 50.0),
        attack_rate=(0.0, 100.0, 100.0), attack_rates={Unit.REQUESTS: (0.0, 100.0, 100.0)},
        origin_attack_rate=(0.0, 90.0, 80.0), refused=(0, 0, 3),
        edge_packets=(1.0, 2.0, 3.0), edge_cpu=(0.1, 0.2, 0.3), marks=((0.15, "bans <b>1.2.3.4</b>"),),
        attack_begins=0.1, attack_ends=0.3,
    )  # fmt: skip
    document = DrillResult(
        drill="http-get-flood", seed=1, contenders=(result,), bars=(at_least("x", 0.95, 0.4),)
    )
    return Outcome(document, (line,), {"crowdsec": "crowdsec is not installed"}, ("small machine",))


def test_the_document_has_exactly_the_agreed_fields() -> None:
    document = json.loads(outcome().result.json_text())
    assert set(document) == {"drill", "seed", "contenders", "bars"}
    assert set(document["contenders"][0]) == {
        "name", "legit_total", "legit_ok", "goodput", "latency_ms", "time_to_mitigate_s",
        "false_positive_rate", "cpu_seconds", "attack_total", "attack_reached_origin",
        "attack_units", "calm_p99_ms", "p99_over_calm", "visits", "goodput_after", "dead_ends",
        "first_answer_s",
    }  # fmt: skip
    assert document["contenders"][0]["latency_ms"] == {"p50": 12.0, "p99": 4000.0}
    assert document["contenders"][0]["time_to_mitigate_s"] is None
    assert set(document["bars"][0]) == {"name", "want", "got", "ok"}


def test_the_page_is_whole_and_names_who_is_absent(tmp_path: Path) -> None:
    page = report.write(tmp_path / "r", DRILLS["http-get-flood"], outcome()).read_text()
    assert "crowdsec is not installed" in page
    assert "small machine" in page
    assert "not met" in page
    assert "bans &lt;b&gt;1.2.3.4" in page
    assert not re.search(r"(src|href)\s*=|url\(|@import|<script", page)
    assert json.loads((tmp_path / "r" / "result.json").read_text())["drill"] == "http-get-flood"
    for drawing in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(drawing)  # noqa: S314 — drawn by us


def added(row: scoreboard.Row | None, *, name: str = "nginx", seed: int = 1) -> scoreboard.Row:
    """A row with one more contender."""
    one = outcome()
    result = one.result.contenders[0].model_copy(update={"name": name})
    document = one.result.model_copy(update={"contenders": (result,), "seed": seed})
    line = one.timelines[0].model_copy(update={"contender": name})
    remarks = (f"{name}: small machine",)
    return scoreboard.joined(
        row, DRILL, Outcome(document, (line,), one.left_out, remarks), tuple(CONTENDERS),
        day="2026-11-21", machine="a machine", versions={name: (f"{name} 1.2.3",)},
    )  # fmt: skip


DRILL = scoreboard.brief(DRILLS["http-get-flood"], 5.0)


def test_the_scoreboard_keeps_losses(tmp_path: Path) -> None:
    row = added(added(None), name="rempart")
    scoreboard.keep(tmp_path, row)
    text = scoreboard.write(tmp_path, list(DRILLS.values()), {row.drill: row}).read_text()
    assert "| nginx | 40.0% |" in text
    assert "Not met: rempart: goodput 0.4" in text
    assert "crowdsec is not installed" in text
    assert "rempart: small machine" in text
    assert "nginx 1.2.3" in text
    assert "| [http-get-flood](#http-get-flood) | 40.0% | 40.0% | 0 of 3 |" in text
    assert "Not measured yet" in text
    ElementTree.fromstring((tmp_path / "scoreboard" / "http-get-flood.svg").read_text())  # noqa: S314 — drawn by us


def test_a_scoreboard_that_was_ended_goes_on_where_it_was(tmp_path: Path) -> None:
    nginx, haproxy = CONTENDERS["nginx"], CONTENDERS["haproxy"]
    row = added(None)
    scoreboard.keep(tmp_path, row)
    (tmp_path / "scoreboard" / "calm.json").write_text("{ half of it")
    assert scoreboard.read(tmp_path) == {"http-get-flood": row}
    assert scoreboard.missing(None, DRILL, [nginx, haproxy], seed=1) == [nginx, haproxy]
    assert scoreboard.missing(row, DRILL, [nginx, haproxy], seed=1) == [haproxy]
    assert scoreboard.missing(row, DRILL, [nginx, haproxy], seed=2) == [nginx, haproxy]
    longer = scoreboard.brief(DRILLS["http-get-flood"], 9.0)
    assert scoreboard.missing(row, longer, [nginx, haproxy], seed=1) == [nginx, haproxy]
    whole = added(added(row, name="none"), name="haproxy")
    assert [one.name for one in whole.contenders] == ["none", "nginx", "haproxy"]
    again = added(whole)
    assert [one.name for one in again.contenders] == ["none", "nginx", "haproxy"]
    assert [one.name for one in added(whole, seed=2).contenders] == ["nginx"]
    assert set(scoreboard.without(whole, ["nginx"]).turns) == {"none", "haproxy"}


def test_an_attack_is_not_made_shorter_than_it_can_be() -> None:
    assert scoreboard.brief(DRILLS["http-get-flood"], 5.0).attack_s == 5.0
    pulses = DRILLS["pulse-wave"]
    assert scoreboard.brief(pulses, 5.0).attack_s == pulses.least_attack_s > 5.0


def test_nearly_all_is_not_called_all() -> None:
    assert share(1.0) == "100.0%"
    assert share(0.99996) == "99.996%"
    assert share(0.0004) == "0.040%"
    assert share(None) == "–"
    assert row(outcome().result.contenders[0], attacked=True)[5] == "never"


def test_a_gap_in_a_line_is_not_drawn_over() -> None:
    drawn = chart("x", [Series(name="a", colour="#000000", step_s=1.0, values=(1.0, 2.0, None, 3.0))])
    path = re.search(r'<path d="([^"]*)"', drawn)
    assert path
    assert path[1].count("M") == 2
    assert nice_above(0) == 1
    assert nice_above(51_000) == 100_000
