"""The shield's benchmark: what it builds is what it says, and no figure stands that was not found.

How fast anything is here is no test.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_address, ip_network

import numpy as np
import pytest

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.loader import Shield
from rempart.lab.bench import shield as shield_bench
from rempart.lab.bench import shield_costs, shield_figures
from rempart.lab.bench.report import Row
from rempart.lab.bench.shield_bystander import Stood
from rempart.lab.bench.shield_contenders import GENERIC, KERNEL, SHIELD, SINK, Nftables
from rempart.lab.bench.shield_decisions import FRAMES, OURS, Decision, body, flood
from rempart.lab.bench.shield_figures import ALONE, Aside, Samples
from rempart.lab.bench.shield_frames import Body, echo, frames, query, udp
from rempart.lab.bench.shield_ground import Ground, Run
from rempart.lab.bench.shield_nftables import Hook, ruleset
from rempart.lab.bench.shield_paths import allowed, ways
from rempart.lab.bench.shield_prefixes import Prefixes, prefixes
from rempart.lab.bench.shield_program import fill, load
from rempart.lab.bench.shield_rules import rules
from rempart.lab.bench.shield_sender import Sent, Way
from rempart.lab.bench.shield_testrun import nothing
from rempart.lab.bench.shield_wire import Wire
from rempart.lab.figures import Bar
from rempart.lab.network.inside import inside
from rempart.lab.network.world import Role

FEW = 300
NFTABLES = [f"nftables, {hook}" for hook in Hook]


def blocked(seed: int = 1) -> dict[int, Prefixes]:
    return {version: prefixes(FEW, v6=version == 6, seed=seed + version) for version in (4, 6)}


def _sum(octets: bytes) -> int:
    """RFC 1071, word by word: 0xFFFF where the checksum inside is right."""
    total = sum(int.from_bytes(octets[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(octets), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize(
    "what", [body(Decision.SYN_LIMIT), udp(1, 53, query("a.example")), udp(1, 2, b"odd"), echo(v6=False)]
)
def test_the_kernel_would_find_every_checksum_right(what: Body) -> None:
    sources = np.random.default_rng(1).integers(1, 200, (50, 4), dtype=np.uint8)
    for frame in frames(what, sources, bytes([203, 0, 113, 10])):
        packet = frame.tobytes()[14:][: 20 + len(what.octets)]
        pseudo = packet[12:20] + bytes([0, what.protocol]) + len(what.octets).to_bytes(2, "big")
        assert len(frame) >= 60
        assert _sum(packet[:20]) == 0xFFFF
        assert _sum((b"" if what.protocol == 1 else pseudo) + packet[20:]) == 0xFFFF


@pytest.mark.parametrize("what", [body(Decision.SYN_LIMIT), udp(1, 53, query("a.example")), echo(v6=True)])
def test_so_over_ipv6(what: Body) -> None:
    sources = np.random.default_rng(1).integers(1, 200, (50, 16), dtype=np.uint8)
    for frame in frames(what, sources, bytes(range(16))):
        packet = frame.tobytes()[14:][: 40 + len(what.octets)]
        pseudo = packet[8:40] + len(what.octets).to_bytes(4, "big") + bytes([0, 0, 0, what.protocol])
        assert _sum(pseudo + packet[40:]) == 0xFFFF


@pytest.mark.parametrize("version", [4, 6])
def test_sources_are_inside_and_beside_the_list_as_they_are_said_to_be(version: int) -> None:
    listed = blocked()[version]
    networks = [ip_network(text) for text in listed.texts()]
    chosen = np.random.default_rng(3)

    def held(octets: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> int:
        return sum(ip_address(octets.tobytes()) in network for network in networks)

    assert len(networks) == len(set(networks)) == FEW
    assert {held(one) for one in listed.inside(100, chosen)} == {1}
    assert {held(one) for one in listed.beside(100, chosen)} == {0}
    assert held(np.frombuffer(ip_address(OURS).packed, np.uint8)) == 0 or version == 6
    assert len(listed.only(hosts=True)) + len(listed.only(hosts=False)) == FEW
    assert set(listed.only(hosts=True).lengths.tolist()) == {32 if version == 4 else 64}


def test_floods_are_of_different_packets_from_as_many_sources_as_they_should_be() -> None:
    listed = prefixes(100_000, v6=False, seed=1)
    for decision in Decision:
        rows = flood(decision, listed, bytes(12), 1)
        many = len(np.unique(rows[:, 26:30], axis=0))
        assert len(rows) == FRAMES
        assert (many < 5_000) == bool(decision.allowed), decision


def test_sixty_four_rules_are_different_and_there_are_as_many_as_asked() -> None:
    assert [len(rules(count)) for count in (0, 16, 64)] == [0, 16, 64]
    assert len({one.model_copy(update={"id": 1}).model_dump_json() for one in rules(64)}) == 64


def test_nftables_has_every_decision_and_synproxy_where_it_can_be() -> None:
    for hook in Hook:
        for decision in Decision:
            made = ruleset(decision, hook, "net0", ("192.0.2.0/24",))
            assert (made is None) == (decision.answers and hook is Hook.INGRESS)


def _samples(shield_net: list[float], *nft: list[float], absorbed: float = 1.0) -> dict[str, Samples]:
    found = {SHIELD: Samples(beyond=shield_net, absorbed=[absorbed])}
    found |= {name: Samples(beyond=net) for name, net in zip(NFTABLES, nft, strict=True)}
    return found


def _aside(pings: int, pages: int) -> Aside:
    sent = Sent(offered=10, taken=10, measured=10, cpu_ns=1, wall_ns=1)
    others = ("delivered", "answered", "ksoftirqd_ns", "softirq_ns", "edge_ns", "machine_ns")
    run = Run(sent=sent, arrived=10, **dict.fromkeys(others, 0))
    return Aside(SHIELD, Stood(pings=100, pings_answered=pings, fetches=100, fetches_answered=pages), run)


def _met(found: list[Bar]) -> dict[str, bool]:
    return {bar.name: bar.ok for bar in found}


def test_no_bar_is_met_by_what_was_not_measured() -> None:
    nothing: dict[Decision, dict[str, Samples]] = {decision: {} for decision in Decision}
    found = shield_figures.bars(nothing, [])
    assert len(found) >= 7
    assert not any(bar.ok for bar in found)
    without_peer = shield_figures.bars({Decision.BLOCKED: _samples([10.0], [], [])}, [])
    assert not without_peer[0].ok


def test_bars_are_held_against_the_better_variant_and_what_is_lost_fails() -> None:
    good = _met(
        shield_figures.bars({Decision.BLOCKED: _samples([100.0], [900.0], [320.0])}, [_aside(99, 100)])
    )
    assert all(good.values()), good
    slow = _met(
        shield_figures.bars({Decision.BLOCKED: _samples([100.0], [900.0], [290.0])}, [_aside(99, 100)])
    )
    assert list(slow.values()).count(False) == 1
    lossy = {Decision.BLOCKED: _samples([100.0], [900.0], [320.0], absorbed=0.999)}
    assert list(_met(shield_figures.bars(lossy, [_aside(99, 100)])).values()).count(False) == 1
    deaf = _met(shield_figures.bars({Decision.BLOCKED: _samples([1.0], [9.0], [9.0])}, [_aside(98, 97)]))
    assert list(deaf.values()).count(False) == 2


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    with Ground() as made:
        yield made


@pytest.fixture(scope="module")
def program() -> Iterator[Shield]:
    made = load()
    fill(made, blocked(), {version: allowed(version) for version in (4, 6)})
    yield made
    made.close()


@pytest.mark.root
@pytest.mark.slow
def test_packets_take_every_way_that_is_measured(ground: Ground, program: Shield) -> None:
    with ground.listening():
        measure = partial(shield_costs.measured, program, blocked(), 1, lambda _: None, repeat=50)
        rows, bars = inside(ground.edge, measure)
    assert [row.name for row in rows if row.value is None] == []
    assert len({row.name for row in rows}) == len(rows) > 50
    assert [bar.got is not None for bar in bars] == [True] * 4


@pytest.mark.root
def test_a_way_that_packets_do_not_take_has_no_figure(ground: Ground, program: Shield) -> None:
    way = next(one for one in ways(blocked(), 0) if one.reason is Reason.DROP_BLOCKED)
    with nothing() as idle:
        taken, _, why = shield_costs._taken(program, replace(way, reason=Reason.PASS), idle, 20)
    assert taken == []
    assert why == "the packets did not end as PASS: {'DROP_BLOCKED': 100}"
    assert shield_costs._row(way, [], [], why).value is None


@pytest.fixture(scope="module")
def wire(ground: Ground, program: Shield) -> Wire:
    return Wire(ground, program, blocked()[4], lambda _: None)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_flood_is_dropped_by_all_who_decide_and_what_it_costs_is_found(wire: Wire) -> None:
    found = wire.costs(Decision.BLOCKED, 1, 0.2)
    assert set(found) == {KERNEL, SINK, *NFTABLES, SHIELD, GENERIC, ALONE}
    assert found[KERNEL].absorbed[0] < 0.01
    for name in (SINK, *NFTABLES, SHIELD, GENERIC):
        assert found[name].absorbed[0] > 0.99, (name, found[name])
        assert found[name].net[0] > 0, (name, found[name])
    assert found[ALONE].raw[0] > 0
    assert found[SINK].beyond == [0.0]
    rows = shield_figures.cost_rows(Decision.BLOCKED, Way.LIVE, found)
    ours = next(row for row in rows if row.name == f"{Decision.BLOCKED}, CPU: {SHIELD}")
    assert set(ours.ratio) == {*NFTABLES, GENERIC}


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_syns_are_answered_by_the_kernel_by_synproxy_and_by_the_shield(wire: Wire) -> None:
    found = wire.costs(Decision.SYN_COOKIE, 1, 0.2)
    assert found[NFTABLES[0]].reason == "netdev ingress has no statement for it"
    for name in (KERNEL, NFTABLES[1], SHIELD):
        assert found[name].absorbed[0] > 0.99, (name, found[name])
    rows = shield_figures.cost_rows(Decision.SYN_COOKIE, Way.LIVE, found)
    missing = next(row for row in rows if NFTABLES[0] in row.name)
    assert missing.value is None
    assert missing.note == found[NFTABLES[0]].reason


@pytest.mark.root
@pytest.mark.slow
def test_a_filter_that_lets_a_flood_through_has_no_figure_and_meets_no_bar(
    ground: Ground, program: Shield
) -> None:
    unknown = prefixes(FEW, v6=False, seed=99)
    stranger = Wire(ground, program, unknown, lambda _: None)
    stranger.contenders = [one for one in stranger.contenders if one.name == SHIELD]
    found = stranger.costs(Decision.BLOCKED, 1, 0.1)
    assert found[SHIELD].net == []
    assert "were not dropped" in found[SHIELD].reason
    bars = shield_figures.bars({Decision.BLOCKED: found}, [])
    assert not any(bar.ok for bar in bars)


@pytest.mark.root
def test_what_nft_does_not_take_is_lacking_with_its_words(ground: Ground) -> None:
    refused = Nftables(ground, Hook.RAW, ("not-an-address",))
    assert refused.loading_s is None
    assert refused.lacks(Decision.BLOCKED)
    assert refused.lacks(Decision.NOT_SERVED) is None


@pytest.mark.root
def test_a_bystander_is_answered_and_behind_a_filter_that_drops_all_is_not(ground: Ground) -> None:
    with ground.bystander(0.5) as ask:
        free = ask()
    assert free.pings_answered == free.pings > 5
    assert free.fetches_answered == free.fetches > 1
    with ground.bystander(0.5) as ask, ground.dropping(Role.BOTS):
        deaf = ask()
    assert deaf.pings > 0
    assert deaf.pings_answered == deaf.fetches_answered == 0


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_benchmark_says_everything_in_the_form_that_scripts_rely_on() -> None:
    report = shield_bench.run(1, 0.1, count=FEW, repeat=50, bystander=0.5)
    said = json.loads(report.json_text())
    assert said["bench"] == "shield"
    assert all(set(row) >= {"name", "value", "unit", "ratio"} for row in said["rows"])
    assert all(set(bar) == {"name", "want", "got", "ok"} for bar in said["bars"])
    names = [row["name"] for row in said["rows"]]
    measured = {row["name"]: row["value"] for row in said["rows"]}
    for decision in Decision:
        assert f"{decision}, CPU: {SHIELD}" in names
    assert measured["a bystander's pings answered: shield"] is not None
    assert measured[f"{Decision.BLOCKED}, two cores, CPU of the filter's core: {SHIELD}"] > 0
    assert measured["memory of the block list, both families"] > 0
    assert all(measured[f"{FEW} prefixes of IPv4 into a set: {name}"] > 0 for name in NFTABLES)
    assert [row["name"] for row in said["rows"] if row["value"] is None] == [
        f"{Decision.SYN_COOKIE}, {what}: {NFTABLES[0]}"
        for what in ("CPU", "CPU with the wire", "CPU, raw", "CPU of the whole machine", "sent on one core")
    ]
    assert len(said["bars"]) == 15
    assert not [name for name in socket.if_nameindex() if name[1].startswith("edge-")]


def test_a_row_that_was_not_measured_is_null_in_json() -> None:
    row = Row(name="x", value=None, unit="s", note="why")
    assert json.loads(row.model_dump_json())["value"] is None
