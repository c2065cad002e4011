"""The benchmark of the packet floods counts by itself what they say; how fast this machine is, is no test."""

from __future__ import annotations

import pytest

from rempart.lab.bench import generators
from rempart.lab.bench.report import Row
from rempart.lab.figures import Bar
from rempart.lab.network.making import Network
from rempart.lab.network.world import Role, WorldShape, world
from tests.lab.ground import fresh_run


def test_every_flood_of_built_frames_is_measured_and_peers_send_the_same() -> None:
    assert len(generators.FLOODS) == 7
    assert set(generators.PEERS) <= set(generators.FLOODS)


@pytest.mark.root
@pytest.mark.slow
def test_what_is_dropped_is_counted_all_the_same_and_goes_no_further() -> None:
    plan = world(WorldShape(visitor_networks=4, bot_networks=32), seed=1, run=fresh_run(), cores=2)
    rows: list[Row] = []
    bars: list[Bar] = []
    with Network(plan) as network:
        network.tell_bots_their_gateway()
        before = network.counters(Role.EDGE, plan.edge_interface).received_packets
        with generators.dropping(network):
            generators.measured(rows, bars, network, "ack-flood", "dropped", 1, 0.5)
        assert network.counters(Role.EDGE, plan.edge_interface).received_packets - before < 100
    assert [row.name for row in rows] == ["ack-flood, dropped: rempart", "ack-flood, dropped, CPU: rempart"]
    assert all(row.value is not None and row.value > 1_000 for row in rows)
    said = next(bar for bar in bars if "differ" in bar.name)
    assert said.ok, said
