"""What the oracle makes of frames whose end was written down before, and of those that real tools sent."""

from __future__ import annotations

import pytest

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.model import State, decide
from rempart.engines.shield.model.parse import Packet, parse
from rempart.engines.shield.model.replies import checksum
from rempart.engines.shield.model.tables import MAPPED

from . import frames as f
from .plain import NOW, TABLES, Recorded, recorded


@pytest.mark.parametrize("one", recorded(), ids=lambda one: one.what)
def test_a_recorded_frame_ends_as_it_should(one: Recorded) -> None:
    decision = decide(TABLES, State(), one.frame, NOW)
    assert decision.reason is one.reason
    assert decision.verdict is one.reason.verdict


def captured(what: str) -> Packet:
    return parse(next(one.frame for one in recorded() if one.what == f"captured: {what}"))


def payload(packet: Packet) -> bytes:
    return packet.frame[packet.payload : packet.payload_end]


HERE4, THERE4 = MAPPED + f.raw("192.0.2.1"), MAPPED + f.raw("192.0.2.77")
HERE6, THERE6 = f.raw("2001:db8::1"), f.raw("2001:db8::77")


@pytest.mark.parametrize(("version", "here", "there"), [(4, HERE4, THERE4), (6, HERE6, THERE6)])
def test_what_linux_sent_is_read_as_what_was_asked_of_it(version: int, here: bytes, there: bytes) -> None:
    """The program that was captured sent `hello there` by UDP to 4433, and a request to port 80."""
    said = f"over IPv{version}"
    syn, data = (
        captured(f"a SYN of Linux {said}"),
        captured(f"data of Linux {said}, of a connection that is not there"),
    )
    for packet in (syn, data):
        assert (packet.family, packet.source, packet.destination) == (version, there, here)
        assert (packet.fault, packet.protocol, packet.destination_port, packet.ttl) == (None, 6, 80, 64)
    assert (syn.tcp_flags, syn.tcp_offset, payload(syn)) == (2, 10, b"")
    assert (data.tcp_flags, payload(data)) == (0x18, b"GET / HTTP/1.0\r\n\r\n")
    datagram = captured(f"a UDP datagram {said}")
    assert (datagram.fault, datagram.protocol, datagram.destination_port) == (None, 17, 4433)
    assert payload(datagram) == b"hello there"
    assert payload(captured(f"ping {said}")).startswith(b"abcdefgh")
    assert captured(f"ping {said}").source_port >> 8 == (8 if version == 4 else 128)
    name = b"\3www\7example\3org\0"
    assert name in payload(captured(f"a query of kdig {said}, EDNS and a client cookie"))


def test_fragments_of_linux_are_put_in_order() -> None:
    bits = {
        version: [
            parse(one.frame).fragment & 6
            for one in recorded()
            if one.what.startswith("captured: a fragment") and one.what.endswith(f"IPv{version}")
        ]
        for version in (4, 6)
    }
    assert bits == {4: [2, 6, 4], 6: [2, 6, 4]}


def test_a_router_alert_is_walked_over() -> None:
    report = captured("MLDv2 report of Linux, behind a hop-by-hop header")
    assert (report.protocol, report.source_port >> 8, report.extras, report.ttl) == (58, 143, 2, 1)


def test_the_address_of_record_route_is_an_option() -> None:
    ping = captured("ping over IPv4 with record route")
    assert (ping.extras, ping.transport - ping.network) == (1, 60)


def test_the_checksums_of_linux_are_what_ours_would_be() -> None:
    frame = captured("ping over IPv4").frame
    assert checksum(frame[14:34]) == 0


@pytest.mark.parametrize(
    "one", [one for one in recorded() if one.reason is Reason.TX_SYN_COOKIE], ids=lambda o: o.what
)
def test_an_answer_is_a_frame_that_parses_and_sums_up(one: Recorded) -> None:
    asked = parse(one.frame)
    answer = parse(decide(TABLES, State(), one.frame, NOW, one.frame).frame_out)
    assert (answer.fault, answer.source, answer.destination) == (None, asked.destination, asked.source)
    assert (answer.source_port, answer.destination_port) == (asked.destination_port, asked.source_port)
    assert answer.tcp_flags == 0x12
    assert answer.end == len(answer.frame)
    segment = answer.frame[answer.transport :]
    skip = 12 if answer.family == 4 else 0
    pseudo = answer.source[skip:] + answer.destination[skip:] + len(segment).to_bytes(4, "big") + b"\0\0\0\6"
    assert checksum(pseudo + segment) == 0
    if answer.family == 4:
        assert checksum(answer.frame[answer.network : answer.transport]) == 0
