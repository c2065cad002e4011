"""Figures and bars of a benchmark report."""

from __future__ import annotations

import json

import pytest

from rempart.lab.bench.report import BenchReport, Row, paired_ratio, side_by_side
from rempart.lab.figures import at_least, at_most, percentile


def test_a_ratio_pairs_each_round_with_its_own() -> None:
    # The machine halves its speed in the second round: the ratio does not move.
    assert paired_ratio([80, 40, 80], [100, 50, 100]) == 0.8


def test_a_ratio_to_nothing_is_not_invented() -> None:
    assert paired_ratio([1.0], [0.0]) is None
    assert paired_ratio([], []) is None


@pytest.mark.parametrize(
    ("samples", "share", "value"),
    [([], 0.5, None), ([7], 0.99, 7), ([1, 2, 3, 4], 0.5, 2), (list(range(1, 101)), 0.99, 99)],
)
def test_percentile_is_the_nearest_rank(samples: list[float], share: float, value: float | None) -> None:
    assert percentile(samples, share) == value


def test_only_our_row_carries_ratios() -> None:
    ours, peer = side_by_side("x", "1/s", {"rempart": [2.0], "plain": [4.0]}, "rempart")
    assert ours.ratio == {"plain": 0.5}
    assert peer.ratio == {}


def test_a_missing_figure_meets_no_bar() -> None:
    assert not at_least("a", 1, None).ok
    assert not at_most("a", 1, None).ok
    report = BenchReport(bench="b", rows=(Row(name="a", value=None, unit="s"),), bars=(at_most("a", 1, 2),))
    assert not report.ok
    assert json.loads(report.json_text())["bars"] == [{"name": "a", "want": "<= 1", "got": 2.0, "ok": False}]
