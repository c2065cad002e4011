"""The memory of steady traffic: gaps are measured from the first failure to the next success."""

from __future__ import annotations

import time

from rempart.lab.traffic import Asked, Steady


def steady(*asked: tuple[float, float, bool]) -> Steady:
    traffic = Steady(lambda: True)
    traffic._asked = [Asked(began=began, ended=ended, ok=ok) for began, ended, ok in asked]
    return traffic


def test_no_failure_no_gap() -> None:
    assert steady((0, 1, True), (1, 2, True)).longest_gap() == 0


def test_a_gap_ends_with_the_next_good_answer() -> None:
    traffic = steady((0, 0.1, True), (1, 1.5, False), (2, 2.5, False), (3, 3.25, True))
    assert traffic.longest_gap() == 2.25
    assert traffic.failed == 2


def test_a_service_that_stays_away_has_no_end() -> None:
    assert steady((0, 1, True), (1, 2, False)).longest_gap() == float("inf")


def test_gaps_before_the_moment_do_not_count() -> None:
    traffic = steady((0, 1, False), (1, 2, True), (5, 6, True))
    assert traffic.longest_gap(since=3) == 0


def test_it_asks_and_remembers_errors_as_failures() -> None:
    answers = iter([True, False])

    def probe() -> bool:
        try:
            return next(answers)
        except StopIteration as error:
            raise OSError from error

    with Steady(probe, interval=0.001) as traffic:
        deadline = time.monotonic() + 10
        while len(traffic.asked) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
    assert [question.ok for question in traffic.asked[:5]] == [True, False, False, False, False]
