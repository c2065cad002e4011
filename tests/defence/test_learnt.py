"""What was learnt outlives the process that learnt it: as old as it is, no faster, and without anybody's
address."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.defence.learnt import HALF_LIFE_S, shortened
from rempart.defence.loop import Defence
from rempart.defence.policy import Policy
from rempart.model.attacks import Action, Layer
from tests.defence import traffic
from tests.defence.stage import TICK, WALL, Stage, calm
from tests.defence.test_http_floods import flood, good_hit, play

WEEK = 7 * 86_400.0


def reborn(before: Stage, *, after_s: float = 1.0, most_s: float = WEEK) -> Stage:
    """Another process, so many seconds later, whose clock is its own."""
    stage = Stage(now=5.0, chance=before.chance)
    for layer in Layer:
        octets = before.defence.kept(layer, before.now, WALL + before.now)
        stage.defence.recall(octets, layer, stage.now, WALL + before.now + after_s, most_s)
    return stage


@pytest.fixture(scope="module")
def octets() -> bytes:
    stage = calm()
    return stage.defence.kept(Layer.REQUEST, stage.now, WALL)


def test_a_new_process_drops_what_the_old_one_would_have() -> None:
    stage = reborn(calm())
    assert play(stage, flood, 2) < 1.5 * 120
    assert stage.actions() == {Action.DROP}
    assert good_hit(stage, Action.DROP) <= 0.001


def test_a_flood_of_packets_is_described_by_a_new_process_as_fast() -> None:
    stage = reborn(calm())
    begin = stage.now
    for _ in range(10):
        stage.tick(attack=traffic.udp_flood, rate=200_000)
    first = stage.first_enforced()
    assert first is not None
    assert first - begin <= 0.5
    assert stage.good_refused == 0


def test_of_what_is_a_day_old_half_is_forgotten() -> None:
    before = calm()
    stage = reborn(before, after_s=HALF_LIFE_S)
    old, new = before.defence.requests, stage.defence.requests
    assert new.reservoir.size == old.reservoir.size // 2
    row = new.row(1)
    assert new.baseline.known[row] == pytest.approx(old.baseline.known[old.row(1)] / 2, rel=0.01)
    assert new.baseline.level[row] == old.baseline.level[old.row(1)]


def test_what_is_too_old_is_not_used() -> None:
    with pytest.raises(ValueError, match="days old"):
        reborn(calm(), after_s=WEEK + 60)


def test_a_clock_that_was_put_back_makes_nothing_younger_than_now() -> None:
    stage = reborn(calm(), after_s=-1e8)
    assert stage.defence.requests.reservoir.size == calm().defence.requests.reservoir.size


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_what_is_damaged_anywhere_changes_nothing(octets: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(octets) - 1))
    damaged = octets[:place] + bytes([octets[place] ^ data.draw(st.integers(1, 255))]) + octets[place + 1 :]
    cut = octets[: data.draw(st.integers(0, len(octets) - 1))]
    for bad in (damaged, cut):
        defence = Defence()
        with pytest.raises(ValueError, match=r"damaged|not what this version"):
            defence.recall(bad, Layer.REQUEST, 0.0, WALL, WEEK)
        assert defence.requests.reservoir.size == 0
        assert defence.requests.baseline.keys.size == 0


def test_one_layer_does_not_take_the_others() -> None:
    stage = calm()
    packets = stage.defence.kept(Layer.PACKET, stage.now, WALL)
    with pytest.raises(ValueError, match="records are not what"):
        Defence().recall(packets, Layer.REQUEST, 0.0, WALL, WEEK)


def test_no_address_is_kept() -> None:
    stage = calm()
    for layer, watch in ((Layer.REQUEST, stage.defence.requests), (Layer.PACKET, stage.defence.packets)):
        short = shortened(layer, watch.reservoir.records())
        if layer is Layer.REQUEST:
            assert (short["source"] == short["network"]).all()
            assert (short["client"] == short["network"]).all()
        else:
            assert (short["header"]["source_low"] & np.uint64(0xFF) == 0).all()
    six = traffic.packets(1, source_high=0x2001_0DB8_1234_5678, source_low=9)
    header = shortened(Layer.PACKET, six)["header"][0]
    assert (int(header["source_high"]), int(header["source_low"])) == (0x2001_0DB8_1234_0000, 0)


def test_restarts_teach_no_faster() -> None:
    """Somebody who can make the process restart sends as much as it takes to be called usual."""
    policy = Policy()
    stage = Stage(Defence(policy))
    rows = np.array([0])
    for _ in range(20):
        baseline = stage.defence.requests.baseline
        baseline.rows(np.array([1], np.int64))
        for _ in range(600):
            stage.now += TICK
            baseline.observe(rows, np.array([1e6]))
            baseline.learn(np.ones(1, bool), TICK, stage.now, WALL)
        stage = reborn(stage)
    assert float(stage.defence.requests.baseline.level[0]) <= policy.site_floor * policy.growth_per_hour


def test_what_is_kept_of_the_largest_node_is_bounded() -> None:
    policy = Policy()
    stage = Stage(Defence(policy))
    watch = stage.defence.requests
    watch.baseline.rows(np.arange(policy.sites + 100, dtype=np.int64))
    made = traffic.good_requests(stage.chance, policy.reservoir)
    watch.reservoir.recall(made, np.arange(made.size, dtype=np.int64), 1.0)
    assert len(stage.defence.kept(Layer.REQUEST, stage.now, WALL)) < 32 * 1024 * 1024
