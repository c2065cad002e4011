"""What the packet floods send is what its receiver takes it for: whole packets, parsed here with nothing of
what built them, and counted and judged by a kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dns.message
import dns.rdatatype
import numpy as np
import pytest

from rempart.lab.attacks import (
    ack_flood,
    dns_query_flood,
    dns_random_subdomain,
    fragment_flood,
    reflected_answer_flood,
    syn_flood,
    udp_flood,
)
from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import AttackParameters, Order, Sources, Unit
from rempart.lab.attacks.ip_frames import Addresses, Packet, batches_of
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import Role, WorldShape, world
from tests.lab.attacks.orders import BOTS, TARGET, Ip, order, parsed
from tests.lab.ground import fresh_run

OWN = "02:00:00:00:00:02"
PACKET_FLOODS = (
    "syn-flood", "ack-flood", "udp-flood", "fragment-flood", "reflected-answer-flood", "dns-query-flood",
    "dns-random-subdomain",
)  # fmt: skip


def packets(
    asked: Order, parameters: AttackParameters, packet: Callable[[bool], Packet], count: int = 4
) -> list[Ip]:
    """All packets of some batches, as their receiver reads them."""
    chosen = np.random.default_rng(asked.seed)
    sources = Addresses(asked, parameters, chosen)
    found = []
    for batch in batches_of(asked, OWN, parameters, packet)[:count]:
        batch.refresh(sources, chosen)
        found += [parsed(row.tobytes()) for row in batch.frames]
    return found


def check_ends(found: list[Ip]) -> None:
    assert {packet.to for packet in found} <= {TARGET.v4, TARGET.v6}
    assert len({packet.source for packet in found}) > 0.9 * len(found)


def test_syns_carry_what_linux_sends_with_them(tmp_path: Path) -> None:
    asked = order("syn-flood", tmp_path, v6_share=0.5)
    parameters = syn_flood.SynFlood.model_validate(asked.parameters)
    found = packets(asked, parameters, lambda v6: syn_flood.packet(asked))
    assert {packet.version for packet in found} == {4, 6}
    check_ends(found)
    for one in found:
        assert one.protocol == 6
        assert one.transport_sum == 0
        assert one.body[12:14] == b"\xa0\x02"
        assert len(one.body) == 40
        assert one.body[20:24] == bytes.fromhex("020405b4")
    assert len({one.body[:12] for one in found}) == len(found)


@pytest.mark.parametrize("payload", [0, 33])
def test_acks_belong_to_no_connection_and_are_whole(tmp_path: Path, payload: int) -> None:
    asked = order("ack-flood", tmp_path, payload=payload, v6_share=0.5)
    parameters = ack_flood.AckFlood.model_validate(asked.parameters)
    found = packets(asked, parameters, lambda v6: ack_flood.packet(asked, parameters))
    check_ends(found)
    assert {packet.version for packet in found} == {4, 6}
    for one in found:
        assert one.protocol == 6
        assert one.transport_sum == 0
        assert one.body[13] == (0x18 if payload else 0x10)
        assert int.from_bytes(one.body[2:4], "big") == 443
        assert len(one.body) == 20 + payload
    assert len({one.body[4:12] for one in found}) == len(found)


@pytest.mark.parametrize(("payload", "port"), [(0, 0), (63, 0), (64, 443)])
def test_noise_goes_to_any_port_or_the_one_that_was_named(tmp_path: Path, payload: int, port: int) -> None:
    asked = order("udp-flood", tmp_path, payload=payload, port=port, v6_share=0.5)
    parameters = udp_flood.UdpFlood.model_validate(asked.parameters)
    found = packets(asked, parameters, lambda v6: udp_flood.packet(parameters))
    check_ends(found)
    for one in found:
        assert one.protocol == 17
        assert one.transport_sum == 0
        assert one.body[6:8] != b"\x00\x00"
        assert int.from_bytes(one.body[4:6], "big") == len(one.body) == 8 + payload
    ports = {int.from_bytes(one.body[2:4], "big") for one in found}
    assert ports == {port} if port else len(ports) > 1_000


def test_fragments_are_first_or_later_ones_and_each_of_another_datagram(tmp_path: Path) -> None:
    asked = order("fragment-flood", tmp_path, payload=64, v6_share=0.5, first_share=0.25)
    parameters = fragment_flood.FragmentFlood.model_validate(asked.parameters)
    found = packets(asked, parameters, partial(fragment_flood.packet, parameters))
    check_ends(found)
    for version in (4, 6):
        of_version = [one for one in found if one.version == version]
        places = [one.fragment for one in of_version]
        assert None not in places
        first = [one for one in of_version if one.fragment is not None and one.fragment[0] == 0]
        assert 0.15 < len(first) / len(of_version) < 0.35
        assert all(one.fragment == (0, True) for one in first)
        assert all(int.from_bytes(one.body[4:6], "big") > 64 for one in first)
        assert {more for _, more in filter(None, places)} == {True, False}
        assert max(at for at, _ in filter(None, places)) + 64 <= 65_535
        assert len({(one.source, one.number) for one in of_version}) == len(of_version)
    assert all(one.protocol == 17 and len(one.body) == 64 for one in found)


def test_questions_of_random_names_are_below_the_zone(tmp_path: Path) -> None:
    asked = order("dns-random-subdomain", tmp_path, label_length=9, v6_share=0.5)
    parameters = dns_random_subdomain.DnsRandomSubdomain.model_validate(asked.parameters)
    found = packets(asked, parameters, lambda v6: dns_random_subdomain.packet(asked, parameters))
    names = set()
    for one in found:
        assert one.transport_sum == 0
        assert int.from_bytes(one.body[2:4], "big") == 53
        message = dns.message.from_wire(one.body[8:])
        assert message.edns == 0
        names.add(str(message.question[0].name))
        assert message.question[0].rdtype == dns.rdatatype.A
        assert BOTS.holds(one.source)
    assert len(names) == len(found)
    assert all(name.endswith(".shop.example.") and name.index(".") == 9 for name in names)


def test_questions_of_one_name_differ_in_nothing_that_is_asked(tmp_path: Path) -> None:
    asked = order("dns-query-flood", tmp_path)
    parameters = dns_query_flood.DnsQueryFlood(rate=1, sources=Sources.SPOOFED, kind="AAAA")
    found = packets(asked, parameters, lambda v6: dns_query_flood.packet(asked, parameters))
    check_ends(found)
    messages = [dns.message.from_wire(one.body[8:]) for one in found]
    assert {(str(m.question[0].name), m.question[0].rdtype) for m in messages} == {
        ("www.shop.example.", dns.rdatatype.AAAA)
    }
    assert len({m.id for m in messages}) > 1_000
    assert all(one.transport_sum == 0 for one in found)


def test_reflected_answers_look_like_what_such_servers_send(tmp_path: Path) -> None:
    asked = order("reflected-answer-flood", tmp_path, size=1_201, source_count=50)
    parameters = reflected_answer_flood.ReflectedAnswerFlood.model_validate(asked.parameters)
    found = packets(asked, parameters, lambda v6: reflected_answer_flood.packet(parameters))
    by_port: dict[int, list[bytes]] = {}
    for one in found:
        assert one.transport_sum == 0
        assert len(one.body) == 8 + 1_201
        by_port.setdefault(int.from_bytes(one.body[:2], "big"), []).append(one.body[8:])
    assert len({one.source for one in found}) <= 50
    assert set(by_port) == {53, 123, 11_211}
    assert min(map(len, by_port.values())) > len(found) / 4
    answer = dns.message.from_wire(by_port[53][0], ignore_trailing=True)
    assert answer.flags & 0x8000
    assert sum(len(rrset) for rrset in answer.answer) >= 1
    assert len({payload[:2] for payload in by_port[53]}) > 100
    assert {payload[0] for payload in by_port[123]} == {0xD7}
    assert {payload[8:13] for payload in by_port[11_211]} == {b"VALUE"}


@pytest.mark.parametrize("servers", ["", "53,80", "53,", "x"])
def test_reflectors_that_are_not_known_are_refused(servers: str) -> None:
    with pytest.raises(ValueError, match="servers are some of"):
        reflected_answer_flood.ReflectedAnswerFlood(rate=1, sources=Sources.PREFIXES, servers=servers)


def test_versions_are_mixed_evenly_as_their_share_says(tmp_path: Path) -> None:
    asked = order("udp-flood", tmp_path)
    parameters = udp_flood.UdpFlood(rate=1, sources=Sources.SPOOFED, v6_share=0.25, payload=64)
    batches = batches_of(asked, OWN, parameters, lambda v6: udp_flood.packet(parameters))
    lengths = [batch.frames.shape[1] for batch in batches]
    assert lengths == ([14 + 20 + 72] * 3 + [14 + 40 + 72]) * (len(batches) // 4)


def test_sources_are_those_that_were_asked_for(tmp_path: Path) -> None:
    asked = order("udp-flood", tmp_path)
    chosen = np.random.default_rng(1)
    few = udp_flood.UdpFlood(rate=1, sources=Sources.FEW, source_count=6, v6_share=0.5)
    drawn = Addresses(asked, few, chosen)
    assert len(np.unique(drawn.v4(5_000))) == 3
    assert len(np.unique(drawn.v6(5_000), axis=0)) == 3
    spoofed = Addresses(asked, few.model_copy(update={"sources": Sources.SPOOFED}), chosen).v6(5_000)
    assert {int(octet) >> 5 for octet in spoofed[:, 0]} == {1}
    assert len(np.unique(spoofed, axis=0)) == 5_000


COUNTED = {
    "Ip": ("ReasmReqds", "InHdrErrors", "InAddrErrors"),
    "Udp": ("NoPorts", "InCsumErrors"),
    "Tcp": ("InSegs", "InCsumErrors", "InErrs"),
}


def kernels_counts() -> dict[str, int]:
    """What the kernel of this thread's namespace has made of packets, both versions of IP together."""
    counts: dict[str, int] = {}
    lines = [line.split() for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()]
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        for name, value in zip(names[1:], values[1:], strict=True):
            counts[f"{names[0].rstrip(':')}{name}"] = int(value)
    for line in Path("/proc/thread-self/net/snmp6").read_text().splitlines():
        name, value = line.split()
        plain = name.replace("6", "", 1)
        counts[plain] = counts.get(plain, 0) + int(value)
    return {f"{group}{name}": counts[f"{group}{name}"] for group, names in COUNTED.items() for name in names}


JUDGED = {
    "syn-flood": "TcpInSegs",
    "ack-flood": "TcpInSegs",
    "udp-flood": "UdpNoPorts",
    "fragment-flood": "IpReasmReqds",
    "reflected-answer-flood": "UdpNoPorts",
    "dns-query-flood": "UdpNoPorts",
    "dns-random-subdomain": "UdpNoPorts",
}
"""Attack → what the edge's kernel must have counted each of its packets as, when nobody listens there."""


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_what_is_said_to_be_sent_is_what_the_edge_has_counted(tmp_path: Path) -> None:
    plan = world(WorldShape(visitor_networks=4, bot_networks=32), seed=1, run=fresh_run(), cores=2)
    edge = plan.namespace(Role.EDGE)
    with Network(plan) as network:
        for name in PACKET_FLOODS:
            folder = network.folder / name
            folder.mkdir()
            asked = order(name, folder, rate=4_000, v6_share=0.25).model_copy(
                update={
                    "begin_at": time.monotonic() + 2.0,
                    "seconds": 1.5,
                    "gateway_mac": network.bots_gateway,
                    "bots": plan.bots,
                }
            )
            (folder / "order.json").write_text(asked.model_dump_json())
            sender = ATTACKS[name].sender(asked)
            before = network.counters(Role.EDGE, plan.edge_interface)
            judged_before = inside(edge, kernels_counts)
            with network.place(Role.BOTS).running(sender.argv, log=folder / "log") as process:
                assert process.wait(timeout=60) == 0, (folder / "log").read_text()
            time.sleep(0.3)
            after = network.counters(Role.EDGE, plan.edge_interface)
            judged = {
                what: count - judged_before[what] for what, count in inside(edge, kernels_counts).items()
            }
            total = sender.read().total
            assert total is not None
            assert total.packets == total.units
            assert total.packets is not None
            assert total.bytes is not None
            # Never more than was ordered; less when the machine was busy, and then less is said.
            assert 0 < total.units <= 6_180, name
            arrived = after.received_packets - before.received_packets
            assert abs(arrived - total.packets) <= 0.03 * total.packets, name
            # A veth that takes packets by NAPI counts them without their Ethernet header.
            octets = after.received_bytes - before.received_bytes + 14 * arrived
            assert abs(octets - total.bytes) <= 0.03 * total.bytes, name
            assert abs(judged[JUDGED[name]] - total.packets) <= 0.03 * total.packets, (name, judged)
            wrong = {what for what in judged if "Csum" in what or "Errors" in what}
            assert not any(judged[what] for what in wrong), (name, judged)


def test_every_packet_flood_has_a_drill() -> None:
    from rempart.lab.drills.catalogue import DRILLS

    for name in PACKET_FLOODS:
        assert ATTACKS[name].unit in (Unit.PACKETS, Unit.QUERIES)
        assert [wave.attack for wave in DRILLS[name].waves] == [name]
