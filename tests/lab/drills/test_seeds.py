"""The table of many seeds: goes on where it was, and says what is not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from rempart.lab.drills import scoreboard, seeds
from rempart.lab.drills.catalogue import DRILLS
from rempart.lab.drills.contract import ContenderResult, Latency
from rempart.lab.drills.seeds import Figures, SeedTurn, Sort, added, ahead, begun, figures, rank, section

GET, SYN = (scoreboard.brief(DRILLS[name], 4.0) for name in ("http-get-flood", "syn-flood"))


def result(mitigated: float | None = 0.4, **other: object) -> ContenderResult:
    fields: dict[str, object] = {
        "name": "rempart", "legit_total": 100, "legit_ok": 99, "goodput": 0.99,
        "latency_ms": Latency(p50=9.0, p99=40.0), "time_to_mitigate_s": mitigated, "false_positive_rate": 0.0,
        "cpu_seconds": 1.0, "attack_total": 600, "attack_reached_origin": 80, "visits": 20,
        "goodput_after": None if mitigated is None else 1.0, "dead_ends": 0, "first_answer_s": 0.3,
    }  # fmt: skip
    return ContenderResult.model_validate({**fields, **other})


def turn(seed: int, mitigated: float | None = 0.4, **other: object) -> SeedTurn:
    return SeedTurn(
        seed=seed,
        day="2026-11-21",
        machine="a machine",
        versions=("rempart 0.1.0",),
        remarks=("busy",) if seed == 3 else (),
        result=result(mitigated, **other),
    )


def test_a_run_that_was_ended_goes_on_where_it_was(tmp_path: Path) -> None:
    every = {one.name: begun(None, one, "rempart", learnt=True) for one in (GET, SYN)}
    assert [(one.name, seed) for one, seed in ahead(every, [GET, SYN], 2)] == [
        ("http-get-flood", 1),
        ("syn-flood", 1),
        ("http-get-flood", 2),
        ("syn-flood", 2),
    ]
    seeds.keep(tmp_path, added(every["http-get-flood"], turn(2)))
    (tmp_path / seeds.FOLDER / "syn-flood.json").write_text("{ half of it")
    found = seeds.read(tmp_path)
    assert set(found) == {"http-get-flood"}
    every = {one.name: begun(found.get(one.name), one, "rempart", learnt=True) for one in (GET, SYN)}
    assert [(one.name, seed) for one, seed in ahead(every, [GET, SYN], 2)] == [
        ("http-get-flood", 1),
        ("syn-flood", 1),
        ("syn-flood", 2),
    ]


def test_turns_under_other_conditions_do_not_count() -> None:
    known = added(begun(None, GET, "rempart", learnt=True), turn(1))
    assert begun(known, GET, "rempart", learnt=True) == known
    assert begun(known, GET, "rempart", learnt=False).turns == ()
    assert begun(known, scoreboard.brief(GET, 9.0), "rempart", learnt=True).turns == ()
    assert [one.seed for one in added(known, turn(1, 0.9)).turns] == [1]
    assert [one.seed for one in seeds.sound(added(known, turn(3))).turns] == [1]


def test_what_never_came_is_longer_than_anything() -> None:
    assert rank([0.2, None, 0.4], 0.5) == 0.4
    assert rank([0.2, None, 0.4], 0.95) is None
    assert rank([0.1] * 19 + [None], 0.95) == 0.1
    assert rank([], 0.95) is None


def test_figures_are_of_all_turns_together() -> None:
    found = figures(
        [
            result(),
            result(1.4, false_positive_rate=0.5, visits=10, dead_ends=2),
            result(None, first_answer_s=None),
        ]
    )
    assert found == Figures(
        turns=3, mitigated_p50=1.4, mitigated_p95=None, never=1, answered_p95=0.3, goodput_after=1.0,
        goodput_after_least=1.0, harmed=0.1, dead_ends=2,
    )  # fmt: skip
    calm = figures([result(None)], attacked=False)
    assert (calm.never, calm.mitigated_p95) == (0, None)


def test_attacks_are_sorted_by_what_they_are_made_of() -> None:
    sorts = {name: seeds.sort_of(drill) for name, drill in DRILLS.items()}
    assert sorts["syn-flood"] is sorts["dns-query-flood"] is Sort.PACKETS
    assert sorts["mixture"] is sorts["http2-continuation"] is sorts["slow-drift"] is Sort.REQUESTS
    assert sorts["slow-read"] is Sort.CONNECTIONS
    assert sorts["calm"] is sorts["flash-crowd"] is Sort.NOTHING


def test_the_page_says_what_is_not_reached() -> None:
    every = {
        "http-get-flood": added(added(begun(None, GET, "rempart", learnt=True), turn(1)), turn(2, None)),
        "syn-flood": added(begun(None, SYN, "rempart", learnt=True), turn(1, 0.0)),
    }
    text = "\n".join(section([GET, SYN], every))
    assert (
        "| [http-get-flood](#http-get-flood) | 2 | 0.4 s | – | 1 | 0.30 s | 100.0% | 100.0% | 0.0% | 0 |"
        in text
    )
    assert "| [syn-flood](#syn-flood) | 1 | 0.0 s | 0.0 s | 0 |" in text
    assert "* http-get-flood: mitigated p95 never" in text
    assert "* syn-flood" not in text
    assert "3 turns of rempart" in text
    assert section([GET, SYN], {}) == []
    assert text in scoreboard.page_of([GET, SYN], {}, every)


@pytest.mark.parametrize("name", ["slow-drift", "poisoned-baseline", "pulse-wave"])
def test_what_a_drill_needs_it_has_on_the_scoreboard_too(name: str) -> None:
    drill, brief = DRILLS[name], scoreboard.brief(DRILLS[name], 4.0)
    assert brief.attack_s >= drill.least_attack_s
    assert brief.calm_s >= max((wave.lead_s for wave in drill.waves), default=0)
    assert brief.cold == drill.cold
