"""What is usual, what is good, how sure one can be, and what is heavy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.defence.baseline import Baseline
from rempart.defence.policy import Policy
from rempart.defence.reservoir import Reservoir
from rempart.defence.sketch import HeavyHitters
from rempart.defence.trial import upper_bound
from rempart.model.attacks import REQUEST, Records
from tests.defence import traffic


def taught(baseline: Baseline, rate: float, seconds: float, now: float = 0.0, wall: float = 0.0) -> float:
    rows = baseline.rows(np.array([5]))
    for tick in range(round(seconds * 10)):
        baseline.observe(rows, np.array([rate]))
        baseline.learn(np.ones(1, bool), 0.1, now + tick / 10, wall + tick / 10)
    return float(baseline.level[0])


def test_a_rate_is_known_after_minutes() -> None:
    assert taught(Baseline(50, 4, 8), 180, 180) == pytest.approx(180, rel=0.1)


def test_growth_is_bounded_by_the_hour() -> None:
    baseline = Baseline(50, 4, 8)
    assert taught(baseline, 1e6, 600) == 200
    assert taught(baseline, 1e6, 600, now=3_700) == 800


def test_it_decays() -> None:
    baseline = Baseline(50, 4, 8)
    taught(baseline, 180, 300)
    assert taught(baseline, 20, 1_200, now=300) == pytest.approx(20, rel=0.2)


def test_an_hour_of_the_week_is_remembered() -> None:
    baseline = Baseline(10, 4, 8)
    taught(baseline, 39, 900, wall=0.0)
    taught(baseline, 1, 1_500, now=1_000, wall=3_600.0)
    assert baseline.usual(100.0)[0] > 25
    assert baseline.usual(7_300.0)[0] < 15


def test_rows_are_bounded_and_the_idle_make_room() -> None:
    baseline = Baseline(50, 4, 3)
    baseline.observe(baseline.rows(np.array([1, 2, 3])), np.array([5.0, 0.0, 5.0]))
    assert (baseline.rows(np.array([9])) >= 0).all()
    assert baseline.keys.tolist() == [1, 3, 9]
    baseline.observe(baseline.rows(np.array([1, 3, 9])), np.array([5.0, 5.0, 5.0]))
    assert baseline.rows(np.array([4])).tolist() == [-1]


def test_how_sure_one_can_be() -> None:
    assert upper_bound(0, 0) == 1
    assert upper_bound(0, 300) == 0.01  # the rule of three
    assert upper_bound(0, 3_000) == 0.001
    assert upper_bound(5, 1_000) == pytest.approx(0.0102, abs=0.0003)  # Wilson, one-sided 95 %


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(1, 500))
def test_the_bound_is_above_the_share(hit: int, records: int) -> None:
    hit = min(hit, records)
    assert hit / records <= upper_bound(hit, records) <= 1


def fill(reservoir: Reservoir, records: Records, begin: float = 0.0, spoilt: int | None = None) -> None:
    for tick, part in enumerate(np.array_split(records, max(1, records.size // 40))):
        keys = part["site"].astype(np.int64)
        reservoir.offer(part, keys, part["client"], 0.1, begin + tick / 10)
    if spoilt is not None:
        reservoir.spoil(np.array([spoilt]))
    reservoir.offer(np.zeros(0, REQUEST), np.zeros(0, np.int64), np.zeros(0, np.uint64), 0.1, begin + 1e4)


def test_no_client_fills_the_reservoir() -> None:
    policy = Policy(reservoir=1_024)
    reservoir = Reservoir(REQUEST, policy, 1)
    fill(reservoir, traffic.bot_requests(np.random.default_rng(1), 4_000, sources=3))
    assert reservoir.size <= 3 * policy.client_records


def test_no_site_takes_the_place_of_another() -> None:
    chance = np.random.default_rng(1)
    policy = Policy(reservoir=1_024)
    reservoir = Reservoir(REQUEST, policy, 1)
    fill(reservoir, traffic.good_requests(chance, 400, site=1))
    fill(reservoir, traffic.good_requests(chance, 8_000, site=2), begin=2e4)
    assert (reservoir.keys() == 1).sum() == 256
    assert (reservoir.keys() == 2).sum() == 256


def test_who_is_there_for_minutes_is_not_yet_what_is_good() -> None:
    chance = np.random.default_rng(1)
    policy = Policy(reservoir=1_024)
    reservoir = Reservoir(REQUEST, policy, 1)
    fill(reservoir, traffic.good_requests(chance, 1_000))
    full = int((reservoir.keys() == 1).sum())
    assert full == 256
    for minute in range(10):
        begin = 2e4 + minute * 60
        for second in range(60):
            came = traffic.bot_requests(chance, 20)
            reservoir.offer(came, came["site"].astype(np.int64), came["client"], 1.0, begin + second)
    taught = float((reservoir.records()["agent"] == 9_001).mean())
    assert 0.1 < taught < 0.2  # ten minutes of an hour


def test_what_waited_when_an_attack_began_is_not_good() -> None:
    reservoir = Reservoir(REQUEST, Policy(), 1)
    fill(reservoir, traffic.good_requests(np.random.default_rng(1), 400), spoilt=1)
    assert 0 < reservoir.size < 200
    assert reservoir.records()["good"].all()


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=80), min_size=1, max_size=12))
def test_heavy_hitters_are_never_overrated_and_hardly_underrated(batches: list[list[int]]) -> None:
    sketch, exact = HeavyHitters(16), np.zeros(61)
    for batch in batches:
        sketch.add(np.array(batch, np.uint64), np.ones(len(batch)))
        exact += np.bincount(batch, minlength=61)
    assert sketch.keys.size <= 16
    counted = dict(zip(sketch.keys.tolist(), sketch.counts.tolist(), strict=True))
    for key, count in enumerate(exact):
        assert count - exact.sum() / 17 - 1e-9 <= counted.get(key, 0.0) <= count + 1e-9
