"""The page says what the figures say, and needs nothing from anywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

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
        attack_reached_origin=700,
    )  # fmt: skip
    line = Timeline(
        contender="nginx", step_s=0.1, goodput=(1.0, None, 0.5), latency_ms=(10.0, None, 50.0),
        attack_rate=(0.0, 100.0, 100.0), origin_attack_rate=(0.0, 90.0, 80.0), refused=(0, 0, 3),
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


def test_the_scoreboard_keeps_losses(tmp_path: Path) -> None:
    page = scoreboard.write(tmp_path, [(DRILLS["http-get-flood"], outcome())], seed=1, machine="a machine")
    text = page.read_text()
    assert "| nginx | 40.0% |" in text
    assert "Not met" in text
    assert "crowdsec is not installed" in text
    assert (tmp_path / "scoreboard" / "http-get-flood.svg").exists()


def test_nearly_all_is_not_called_all() -> None:
    assert share(1.0) == "100.0%"
    assert share(0.99996) == "99.996%"
    assert share(0.0004) == "0.040%"
    assert share(None) == "–"
    assert row(outcome().result.contenders[0], attacked=True)[4] == "never"


def test_a_gap_in_a_line_is_not_drawn_over() -> None:
    drawn = chart("x", [Series(name="a", colour="#000000", step_s=1.0, values=(1.0, 2.0, None, 3.0))])
    path = re.search(r'<path d="([^"]*)"', drawn)
    assert path
    assert path[1].count("M") == 2
    assert nice_above(0) == 1
    assert nice_above(51_000) == 100_000
