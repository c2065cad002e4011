"""The SYN flood's packets are right, its rate is what it says, and one core sends many."""

from __future__ import annotations

import ipaddress
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from rempart.lab.attacks.catalogue import ATTACKS
from rempart.lab.attacks.contract import Order, Sources
from rempart.lab.attacks.packets import any_sources, folded, ones_complement, put16, put32
from rempart.lab.attacks.reporting import Pacing
from rempart.lab.network.inside import inside
from rempart.lab.network.making import Network
from rempart.lab.network.world import Role, WorldShape, world
from tests.lab.attacks.orders import internet_checksum, order
from tests.lab.ground import fresh_run


def test_checksums_of_all_rows_are_the_internets() -> None:
    chosen = np.random.default_rng(7)
    frames = chosen.integers(0, 256, (32, 60), dtype=np.uint8)
    sums = folded(ones_complement(frames, 0, 60))
    assert [int(value) for value in sums] == [internet_checksum(row.tobytes()) for row in frames]


def test_fields_are_written_in_network_order() -> None:
    frames = np.zeros((2, 8), dtype=np.uint8)
    put32(frames, 0, np.array([0x01020304, 0xFFEEDDCC], dtype=np.uint32))
    put16(frames, 4, np.array([0x0A0B, 1], dtype=np.uint32))
    assert frames[0].tobytes() == bytes.fromhex("010203040a0b0000")
    assert frames[1].tobytes() == bytes.fromhex("ffeeddcc00010000")


def test_spoofed_sources_are_unicast_and_no_loopback() -> None:
    found = any_sources(200_000, np.random.default_rng(1))
    first = np.unique(found >> 24)
    assert first.min() >= 1
    assert first.max() <= 223
    assert 127 not in first
    assert len(first) > 200


def test_a_pulse_wave_pauses(tmp_path: Path) -> None:
    pacing = Pacing(order("syn-flood", tmp_path), rate=100, on_s=2, off_s=3)
    due = [pacing.due(100.0 + second) for second in (-1, 0, 1, 2, 4.9, 6, 7, 10, 50)]
    assert due == [0, 0, 100, 200, 200, 300, 400, 400, 400]
    assert pacing.over(110.0)


def test_a_rate_that_rises_ends_at_the_whole(tmp_path: Path) -> None:
    pacing = Pacing(order("syn-flood", tmp_path), rate=100, on_s=0, off_s=0, rise_s=4)
    assert [pacing.due(100.0 + second) for second in (-1, 0, 1, 2, 4, 6)] == [0, 0, 12, 50, 200, 400]


@pytest.mark.root
@pytest.mark.slow
def test_what_is_said_to_be_sent_is_what_the_edge_has_counted(tmp_path: Path) -> None:
    shape = WorldShape(visitor_networks=4, bot_networks=32)
    plan = world(shape, seed=1, run=fresh_run(), cores=2)
    with Network(plan) as network:
        folder = network.folder / "wave"
        folder.mkdir()
        sent_by = Order(
            **order("syn-flood", folder, rate=20_000).model_dump(
                exclude={"begin_at", "seconds", "gateway_mac", "bots"}
            ),
            begin_at=time.monotonic() + 2.0,
            seconds=3.0,
            gateway_mac=network.bots_gateway,
            bots=plan.bots,
        )
        (folder / "order.json").write_text(sent_by.model_dump_json())
        sender = ATTACKS["syn-flood"].sender(sent_by)
        before = network.counters(Role.EDGE, plan.edge_interface)
        with network.place(Role.BOTS).running(sender.argv, log=folder / "log") as process:
            assert process.wait(timeout=60) == 0, (folder / "log").read_text()
        time.sleep(0.2)
        arrived = network.counters(Role.EDGE, plan.edge_interface).received_packets - before.received_packets
        total = sender.read().total
    assert total is not None
    assert total.packets is not None
    assert abs(arrived - total.packets) <= 0.03 * total.packets
    assert abs(total.units - 60_000) <= 0.03 * 60_000


@pytest.mark.root
def test_frames_are_whole_packets_from_the_sources_that_were_asked_for(tmp_path: Path) -> None:
    """Captured where they leave, parsed with nothing of what built them."""
    plan = world(WorldShape(visitor_networks=4, bot_networks=32), seed=1, run=fresh_run(), cores=2)
    with Network(plan) as network:
        folder = network.folder / "wave"
        folder.mkdir()
        asked = order("syn-flood", folder, rate=2_000, sources=Sources.FEW.value, source_count=5)
        asked = asked.model_copy(
            update={
                "begin_at": time.monotonic() + 1.5,
                "seconds": 0.5,
                "gateway_mac": network.bots_gateway,
                "bots": plan.bots,
            }
        )
        (folder / "order.json").write_text(asked.model_dump_json())
        sender = ATTACKS["syn-flood"].sender(asked)
        router = plan.namespace(Role.ROUTER)
        with inside(
            router, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        ) as seen:
            seen.bind(("bots0", 0x0800))
            seen.settimeout(30)
            with network.place(Role.BOTS).running(sender.argv, log=folder / "log"):
                frames = [seen.recv(2048) for _ in range(200)]
    sources = set()
    for frame in frames:
        ip, tcp = frame[14:34], frame[34:]
        assert internet_checksum(ip) == 0
        pseudo = ip[12:20] + bytes([0, 6]) + len(tcp).to_bytes(2, "big")
        assert internet_checksum(pseudo + tcp) == 0
        assert tcp[13] == 0x02
        assert int.from_bytes(tcp[2:4], "big") == 443
        assert str(ipaddress.IPv4Address(ip[16:20])) == plan.edge_v4
        sources.add(str(ipaddress.IPv4Address(ip[12:16])))
    assert 2 <= len(sources) <= 5
    assert all(plan.bots.holds(source) for source in sources)
