"""Samples become records: what the oracle says of a packet's optional fields, from 128 octets of it."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from rempart.engines.shield import layout
from rempart.engines.shield.compile import qname_hash
from rempart.engines.shield.layout import Reason
from rempart.engines.shield.model.parse import Packet, parse
from rempart.engines.shield.model.tables import Needs, RuleSet, Sockets
from rempart.engines.shield.model.vector import vector
from rempart.engines.shield.ring import Samples
from rempart.model.attacks import Records
from rempart.model.packets import HEADER
from rempart.node.shield.sampled import Rates, asked_name, option_kinds, packet_records
from tests.engines.shield import frames as f
from tests.engines.shield.generator import Generator
from tests.engines.shield.plain import recorded

LABELS = 2
ALL = RuleSet(needs=int(Needs.OPTIONS | Needs.QNAME | Needs.PAYLOAD), qname_labels=LABELS)
OURS, THEIRS = f.raw("192.0.2.1"), f.raw("198.51.100.9")


def samples(frames: list[bytes], reasons: list[Reason], *, time: int = 10, rule: int = 0) -> Samples:
    """As the program shows them: the vector without what only rules need, and the beginning of the frame."""
    rows, octets = np.zeros(len(frames), layout.SAMPLE), np.zeros((len(frames), layout.SNAP), np.uint8)
    for i, (frame, reason) in enumerate(zip(frames, reasons, strict=True)):
        kept = frame[: layout.SNAP]
        rows[i]["vector"] = np.frombuffer(vector(parse(frame)), layout.VECTOR)[0]
        rows[i]["verdict"], rows[i]["reason"], rows[i]["rule"] = reason.verdict, reason, rule
        rows[i]["captured"], rows[i]["length"], rows[i]["time"] = len(kept), len(frame), time
        octets[i, : len(kept)] = np.frombuffer(kept, np.uint8)
    return Samples(rows, octets)


def taken(
    frames: list[bytes], reason: Reason = Reason.PASS, *, cookies: bool = False, most: int = 10_000
) -> Records:
    found = samples(frames, [reason] * len(frames))
    return packet_records(found, Rates(4, 64), cookies=cookies, most=most)


def _within(packet: Packet, octets: int) -> bool:
    return min(packet.payload_end, packet.payload + octets) <= layout.SNAP


def test_what_the_program_leaves_out_is_completed_as_the_oracle_has_it() -> None:
    generator = Generator(Random(11), Sockets())
    every = [one.frame for one in recorded()] + [generator.next() for _ in range(20_000)]
    frames = [frame for frame in every if parse(frame).fault is None]
    assert len(frames) > 5_000
    found = taken(frames, most=len(frames))
    header = found["header"]
    optioned = named = 0
    for i, frame in enumerate(frames):
        packet = parse(frame)
        wanted = np.frombuffer(vector(packet, ALL), HEADER)[0]
        # A list that begins with its end has no kinds and, in the program, a digest all the same.
        if packet.payload <= layout.SNAP and found["options"][i]:
            optioned += 1
            assert int(header["options_digest"][i]) == int(wanted["options_digest"]), frame.hex()
        if _within(packet, 8):
            assert int(header["payload"][i]) == int(wanted["payload"]), frame.hex()
        name = found["qname"][i].decode()
        plain = "?" not in name and 0 < len(name) < 64
        if plain and _within(packet, 300):
            named += 1
            last = ".".join(name.split(".")[-LABELS:])
            assert int.from_bytes(qname_hash(last), "big") == int(wanted["qname_hash"]), frame.hex()
    assert optioned > 500
    assert named > 100


def syn(**fields: int) -> bytes:
    return f.ethernet(f.ipv4(THEIRS, OURS, 6, f.tcp(4_000, 443, fields.get("flags", 2))))


def test_weights_are_what_each_sample_stands_for() -> None:
    frames = [syn(), syn(), syn()]
    found = samples(frames, [Reason.PASS, Reason.TX_SYN_COOKIE, Reason.DROP_RULE])
    found.rows["time"] = [5, 15, 15]
    made = packet_records(found, Rates(128, 64, since=10, passed_before=1), cookies=False, most=10)
    assert made["weight"].tolist() == [1, 64, 64]
    assert made["dropped"].tolist() == [False, False, True]
    assert taken([syn()] * 1_000, most=100)["weight"].sum() == pytest.approx(4_000)


def test_what_rules_are_not_asked_about_is_left_out() -> None:
    decided = (Reason.PASS_ALLOWED, Reason.PASS_RULE, Reason.PASS_NOT_IP, Reason.DROP_BLOCKED, Reason.DROP_IP)
    for reason in decided:
        assert not len(taken([syn()], reason))
    # A rule's own sample comes beside the packet's.
    found = samples([syn()], [Reason.PASS], rule=9)
    assert not len(packet_records(found, Rates(1, 64), cookies=False, most=10))


def test_who_has_proven_himself_is_good() -> None:
    ack = syn(flags=0x10)
    datagram = f.ethernet(f.ipv4(THEIRS, OURS, 17, f.udp(4_000, 4_000, b"x")))
    assert taken([ack], Reason.PASS_PROVEN)["good"].all()
    assert taken([ack], Reason.PASS_REPLY)["good"].all()
    assert not taken([datagram], Reason.PASS_REPLY)["good"].any()
    assert not taken([ack, syn()])["good"].any()
    assert taken([ack], cookies=True)["good"].all()
    assert not taken([syn(), datagram], cookies=True)["good"].any()


def test_options_and_names_that_cannot_be() -> None:
    assert option_kinds(f.mss(1460) + b"\x01" + f.scale(7) + b"\x00\x05") == b"\x02\x01\x03"
    assert option_kinds(b"\x02\x01") == b"\x02\xff"
    assert option_kinds(b"\x08") == b"\x08\xff"
    message = bytes(12) + f.name("WWW.Shop.Example") + bytes(4)
    assert asked_name(message) == b"www.shop.example"
    assert asked_name(message[:20]) == b""
    assert asked_name(bytes(12) + b"\x03a.b\x07exa\xffple\0" + bytes(4)) == b"a?b.exa?ple"
    assert asked_name(bytes(12) + b"\xc0\x0c") == b""
    assert len(asked_name(bytes(12) + f.name(".".join("q" * 31 for _ in range(7))))) == 64
