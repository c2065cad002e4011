"""The program does what the oracle says.

For recorded frames, for all values of the fields that decide, for random frames in random worlds, and for
many of those. The seed of a failure is in its text; REMPART_SHIELD_SEED sets it.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rempart.engines.shield.layout import (
    PREFIX_BUCKETS,
    SOURCE_BUCKETS,
    UDP_SERVICES,
    LimitClass,
    Meter,
    Reason,
    When,
)
from rempart.engines.shield.model import Tables
from rempart.engines.shield.model.hashing import bucket_hashes
from rempart.engines.shield.model.tables import MAPPED, Flags, Limit, Prefixes

from . import frames as f
from .agreement import Run, verify
from .generator import EXTENSIONS, LINUX, NAMES, TCP_OPTIONS, shortened
from .plain import NOW, TABLES, recorded
from .program import Shield
from .sockets import network
from .worlds import (
    CLIENT4,
    CLIENT6,
    COLLIDING,
    DNS,
    LISTENED,
    OURS4,
    OURS6,
    SOURCES4,
    SOURCES6,
    TCP_PORTS,
    UDP_PORTS,
    WILD,
    prefix,
)

pytestmark = pytest.mark.root

SEED = int(os.environ.get("REMPART_SHIELD_SEED", random.SystemRandom().getrandbits(32)))
MANY = 250_000
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Both sides, on one CPU: it is a CPU's own counters that decide what is sampled."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        with network() as sockets, Shield() as shield:
            yield Run(shield, sockets)
    finally:
        os.sched_setaffinity(0, cpus)


@pytest.fixture
def plain(run: Run) -> Tables:
    """The plain world, with the sockets that there are."""
    return enter(run, TABLES)


def enter(run: Run, world: Tables) -> Tables:
    world = replace(world, sockets=run.sockets)
    run.shield.enter(world)
    run.state.allowed.clear()
    run.state.blocked.clear()
    return world


def syn(source: bytes = CLIENT4, *, port: int = LISTENED, options: bytes = LINUX) -> bytes:
    destination = OURS4[0] if len(source) == 4 else OURS6[0]
    return f.ethernet(f.ip(source, destination, 6, f.tcp(40000, port, options=options)))


def remembered(run: Run, world: Tables) -> list[str]:
    return run.shield.differences(run.state, world, buckets=False)


def test_the_recorded_frames_whole_and_cut_at_every_length(run: Run, plain: Tables) -> None:
    for one in recorded():
        assert verify(run, plain, one.frame, NOW)[1].reason is one.reason, one.what
        for length in range(14, len(one.frame)):
            verify(run, plain, one.frame[:length], NOW)
            verify(run, plain, shortened(one.frame, length), NOW)
    assert remembered(run, plain) == []


def test_the_recorded_frames_with_every_bit_of_their_headers_flipped(run: Run, plain: Tables) -> None:
    for one in recorded():
        for at in range(12, min(len(one.frame), 90)):
            for bit in range(8):
                changed = bytearray(one.frame)
                changed[at] ^= 1 << bit
                verify(run, plain, bytes(changed), NOW)
    assert remembered(run, plain) == []


def test_every_value_of_the_bytes_that_decide(run: Run, plain: Tables) -> None:
    """Version and IHL, protocol, flags, offsets, fragment bits, next header, ICMP type, DNS flags, labels."""
    query = f.udp(40000, DNS, f.query(f.name("www.example.org")))
    bases = [
        (syn(), (14, 16, 17, 20, 21, 22, 23, 34, 35, 36, 37, 46, 47, *range(54, 74))),
        (syn(CLIENT6), (14, 15, 18, 19, 20, 21, 66, 67, *range(74, 94))),
        (f.ethernet(f.ipv4(CLIENT4, OURS4[0], 17, query)), (38, 39, *range(42, 60))),
        (f.ethernet(f.ipv6(CLIENT6, OURS6[0], 17, query)), range(58, 80)),
        (f.ethernet(f.ipv6(CLIENT6, OURS6[0], 58, f.icmp(128), hops=255)), (20, 21, 54, 55)),
        (f.ethernet(f.ipv4(CLIENT4, OURS4[0], 1, f.icmp(8)), tags=(0x8100,)), (12, 13, 16, 17, 18, 27)),
    ]
    bases += [
        (f.ethernet(f.ipv6(CLIENT6, OURS6[0], 6, f.tcp(40000, 80), extensions=(one,))), range(54, 60))
        for one in EXTENSIONS
    ]
    for frame, places in bases:
        for at in places:
            for value in range(256):
                verify(run, plain, frame[:at] + bytes((value,)) + frame[at + 1 :], NOW)
    assert remembered(run, plain) == []


def test_a_cookie_comes_back_and_proves_its_source(run: Run) -> None:
    """While the source is proven its SYNs have a bucket of their own, and its queries are not sent to TCP."""
    config = replace(
        TABLES.config,
        proven_for=1_000_000,
        proven_syn=Limit(10, 20),
        dns_challenge=When.ALWAYS,
    )
    world = enter(run, replace(TABLES, config=config))
    question = f.query(f.name("example.org"))
    for source in (CLIENT4, CLIENT6, *SOURCES4[1:3], *SOURCES6[2:4]):
        ours = OURS4[0] if len(source) == 4 else OURS6[0]
        query = f.ethernet(f.ip(source, ours, 17, f.udp(40000, DNS, question)))
        asked = syn(source)
        assert verify(run, world, query, NOW)[1].reason is Reason.TX_DNS_TRUNCATED
        answer, decision = verify(run, world, asked, NOW)
        assert decision.reason is Reason.TX_SYN_COOKIE
        cookie = int.from_bytes(answer.frame[38 if len(source) == 4 else 58 :][:4], "big")
        for wrong in (4, 1 << 31, -4):
            ack = f.tcp(40000, LISTENED, 16, sequence=1001, acknowledgement=(cookie + 1 + wrong) & 0xFFFFFFFF)
            assert (
                verify(run, world, f.ethernet(f.ip(source, ours, 6, ack)), NOW)[1].reason is Reason.DROP_ACK
            )
        ack = f.tcp(40000, LISTENED, 16, sequence=1001, acknowledgement=(cookie + 1) & 0xFFFFFFFF)
        assert verify(run, world, f.ethernet(f.ip(source, ours, 6, ack)), NOW)[1].reason is Reason.PASS_PROVEN
        behind = (
            f.ipv4(source, ours, 6, ack, options=f.NOP)
            if len(source) == 4
            else f.ipv6(source, ours, 6, ack, extensions=(EXTENSIONS[2],))
        )
        assert verify(run, world, f.ethernet(behind, tags=(0x8100,)), NOW)[1].reason is Reason.PASS_PROVEN
        reasons = [verify(run, world, asked, NOW)[1].reason for _ in range(3)]
        assert reasons == [Reason.TX_SYN_COOKIE, Reason.TX_SYN_COOKIE, Reason.DROP_SOURCE_SYN]
        assert verify(run, world, query, NOW + 999_999)[1].reason is Reason.PASS
        assert verify(run, world, query, NOW + 1_000_000)[1].reason is Reason.TX_DNS_TRUNCATED
    assert run.shield.differences(run.state, world) == []


@pytest.mark.parametrize("syncookies", ["0", "1"])
def test_what_the_kernel_has_no_cookie_for_is_its_own(run: Run, plain: Tables, syncookies: str) -> None:
    """`net.ipv4.tcp_syncookies=1`: as long as the listener's queue has room. 0: always."""
    setting = Path("/proc/sys/net/ipv4/tcp_syncookies")
    setting.write_text(syncookies)
    try:
        answer = run.shield.run(syn(), NOW)
    finally:
        setting.write_text("2")
    assert answer.verdict == 2
    assert answer.frame == syn()
    assert [record[19] for record in answer.samples] == [Reason.PASS_SYN_QUEUE]
    run.state.counters[Reason.PASS_SYN_QUEUE].add(syn())
    run.state.meters[Meter.SYN].count(NOW, TABLES.config.syn_threshold, TABLES.config.hold)


@pytest.mark.parametrize("version", [4, 6])
def test_a_connection_that_has_just_ended_is_still_ours(run: Run, version: int) -> None:
    """TIME-WAIT: its last ACK may have to be said again. Nobody listens on its port any more."""
    family, ours, client = (AF_INET, OURS4[0], CLIENT4) if version == 4 else (AF_INET6, OURS6[0], CLIENT6)
    with socket(family) as listener, socket(family) as outer:
        listener.bind((str(ip_address(ours)), 0))
        listener.listen()
        port = listener.getsockname()[1]
        outer.bind((str(ip_address(client)), 0))
        outer.connect(listener.getsockname()[:2])
        remote = outer.getsockname()[1]
        inner, _ = listener.accept()
        inner.close()
        assert outer.recv(1) == b""
    mapped = b"" if version == 6 else MAPPED
    flow = (mapped + client, remote, mapped + ours, port)
    sockets = replace(run.sockets, ending=frozenset({flow}))
    world = replace(enter(run, TABLES), sockets=sockets)
    for flags in (16, 17, 4, 2):
        expected = Reason.DROP_NOT_SERVED if flags == 2 else Reason.PASS_REPLY
        for source_port, reason in ((remote, expected), (remote ^ 1, Reason.DROP_NOT_SERVED)):
            frame = f.ethernet(f.ip(client, ours, 6, f.tcp(source_port, port, flags)))
            assert verify(run, world, frame, NOW)[1].reason is reason
    served = replace(world, services={**world.services, port: 1})
    run.shield.enter(served)
    for flags in (2, 16, 17, 4, 18):
        segment = f.tcp(remote, port, flags)
        assert verify(run, served, f.ethernet(f.ip(client, ours, 6, segment)), NOW)[1].reason is Reason.PASS
    assert remembered(run, served) == []


def test_a_capture_is_longer_than_a_sample_and_ends_too(run: Run) -> None:
    config = replace(TABLES.config, flags=TABLES.config.flags | Flags.CAPTURING, capture_mask=0)
    world = enter(run, replace(TABLES, config=config))
    for size in (0, 72, 73, 100, 1400, 1480, 1481, 1482, 1483, 1484, 2000, 3000):
        segment = f.tcp(40000, 22, payload=bytes(range(256)) * (size // 256) + bytes(size % 256))
        answer, _ = verify(run, world, f.ethernet(f.ip(CLIENT4, OURS4[0], 6, segment)), NOW)
        assert [len(one) - 88 for one in (*answer.samples, *answer.captures)] == [
            min(14 + 20 + 20 + size, most) for most in (128, 1536)
        ]


def test_a_valid_dns_cookie_exempts_to_the_second(run: Run) -> None:
    config = replace(TABLES.config, dns_challenge=When.ALWAYS)
    world = enter(run, replace(TABLES, config=config))
    wall = config.wall + NOW // 1_000_000_000
    for source, ours in ((SOURCES4[4], OURS4[1]), (SOURCES6[4], OURS6[1])):
        for age, expected in (
            (0, Reason.PASS),
            (3600, Reason.PASS),
            (3601, Reason.TX_DNS_TRUNCATED),
            (-300, Reason.PASS),
            (-301, Reason.TX_DNS_TRUNCATED),
        ):
            cookie = f.cookie(config.dns_cookie_key, source, wall - age)
            for before in range(9):
                padding = [f.edns_option(12, bytes(3))] * before
                rest = f.opt(b"".join([*padding, f.edns_option(10, cookie)]))
                message = f.query(f.name("example.org"), counts=(1, 0, 0, 1), rest=rest)
                frame = f.ethernet(f.ip(source, ours, 17, f.udp(40000, DNS, message)))
                reason = verify(run, world, frame, NOW)[1].reason
                assert reason is (expected if before < 8 else Reason.TX_DNS_TRUNCATED)
        for at in range(24):
            spoilt = bytearray(f.cookie(config.dns_cookie_key, source, wall))
            spoilt[at] ^= 1
            rest = f.opt(f.edns_option(10, bytes(spoilt)))
            message = f.query(f.name("example.org"), counts=(1, 0, 0, 1), rest=rest)
            frame = f.ethernet(f.ip(source, ours, 17, f.udp(40000, DNS, message)))
            assert verify(run, world, frame, NOW)[1].reason is Reason.TX_DNS_TRUNCATED


def test_a_cookie_far_into_the_message_is_not_read(run: Run) -> None:
    """It has to end within the first 1,024 bytes of the payload."""
    config = replace(TABLES.config, dns_challenge=When.ALWAYS)
    world = enter(run, replace(TABLES, config=config))
    source, wall = SOURCES4[5], config.wall + NOW // 1_000_000_000
    cookie = f.edns_option(10, f.cookie(config.dns_cookie_key, source, wall))
    for qname in NAMES[1:3]:
        start = len(f.query(qname)) + 11 + 4
        for size in range(1024 - start - 40, 1024 - start + 4):
            rest = f.opt(f.edns_option(12, bytes(size)) + cookie + f.edns_option(12, bytes(100)))
            message = f.query(qname, counts=(1, 0, 0, 1), rest=rest)
            frame = f.ethernet(f.ip(source, OURS4[1], 17, f.udp(40000, DNS, message)))
            within = start + size + 28 <= 1024
            expected = Reason.PASS if within else Reason.TX_DNS_TRUNCATED
            assert verify(run, world, frame, NOW)[1].reason is expected, size


def test_every_how_manyth_query_over_the_limit_is_sent_to_tcp(run: Run) -> None:
    config = replace(TABLES.config, dns_slip=3, prefix=(Limit(),) * 3 + (Limit(10, 10),))
    world = enter(run, replace(TABLES, config=config))
    query = f.ethernet(f.ip(SOURCES4[6], OURS4[0], 17, f.udp(40000, DNS, f.query(f.name("example.org")))))
    assert verify(run, world, query, NOW)[1].reason is Reason.PASS
    reasons = [verify(run, world, query, NOW)[1].reason for _ in range(12)]
    assert reasons.count(Reason.TX_DNS_TRUNCATED) == 4
    assert reasons[:9] == reasons[3:]
    assert verify(run, world, query, NOW + 10)[1].reason is Reason.PASS
    assert run.shield.differences(run.state, world) == []


def test_a_udp_checksum_of_zero_is_sent_as_ones(run: Run) -> None:
    """RFC 768: 0 says that there is none."""
    world = enter(run, replace(TABLES, config=replace(TABLES.config, dns_challenge=When.ALWAYS)))
    for source, ours, at in ((SOURCES4[7], OURS4[0], 40), (SOURCES6[5], OURS6[0], 60)):
        query = f.ethernet(f.ip(source, ours, 17, f.udp(40000, DNS, f.query(f.name("example.org")))))
        answer, _ = verify(run, world, query, NOW)
        # An id that is larger by the checksum makes the sum all ones.
        identity = int.from_bytes(query[at + 2 : at + 4], "big") + int.from_bytes(
            answer.frame[at : at + 2], "big"
        )
        identity = (identity & 0xFFFF) + (identity >> 16)
        query = query[: at + 2] + identity.to_bytes(2, "big") + query[at + 4 :]
        answer, decision = verify(run, world, query, NOW)
        assert decision.reason is Reason.TX_DNS_TRUNCATED
        assert answer.frame[at : at + 2] == b"\xff\xff"


def test_acks_of_no_connection_are_the_kernels_until_they_are_too_many(run: Run) -> None:
    """No cookies are made; the fourth in a window is one too many, for as long as the measure holds."""
    config = replace(
        TABLES.config, syn_cookies=When.NEVER, dns_challenge=When.NEVER, ack_threshold=3, hold=1_000_000
    )
    world = enter(run, replace(TABLES, config=config))
    moment = NOW + 30_000_000_000
    for source in (CLIENT4, CLIENT6):
        ours = OURS4[0] if len(source) == 4 else OURS6[0]
        for port in (LISTENED, 443):
            moment += 1_000_000_000
            stray = f.ethernet(
                f.ip(source, ours, 6, f.tcp(40000, port, 16, sequence=1001, acknowledgement=7))
            )
            reasons = [verify(run, world, stray, moment)[1].reason for _ in range(5)]
            assert reasons == [Reason.PASS] * 3 + [Reason.DROP_ACK] * 2
            reset = f.ethernet(f.ip(source, ours, 6, f.tcp(40000, port, 4)))
            assert verify(run, world, reset, moment)[1].reason is Reason.PASS
            assert verify(run, world, stray, moment + 999_999)[1].reason is Reason.DROP_ACK
            assert verify(run, world, stray, moment + 200_000_000)[1].reason is Reason.PASS
    assert remembered(run, world) == []


def test_a_window_of_a_meter_is_100_ms_to_the_nanosecond(run: Run, plain: Tables) -> None:
    begin = NOW + 10_000_000_000
    for later in (0, 1, 99_999_999, 100_000_000, 199_999_999, 200_000_001):
        verify(run, plain, syn(), begin + later)
        assert remembered(run, plain) == []


def test_seeds_that_collide(run: Run) -> None:
    """The two buckets of a key are the same, or one is another key's, too: who is over, what is charged."""
    tight = (Limit(10, 10),) * 4
    moment = NOW + 20_000_000_000
    for seed in COLLIDING:
        buckets = collisions(seed)
        assert buckets, seed
        for limited in (LimitClass.SYN, LimitClass.UDP, LimitClass.ICMP):
            for source_limits, prefix_limits in ((tight, (Limit(),) * 4), ((Limit(),) * 4, tight)):
                config = replace(
                    TABLES.config, seed=seed ^ limited, source=source_limits, prefix=prefix_limits
                )
                world = enter(run, replace(TABLES, config=replace(config, flags=Flags.ON)))
                moment += 1_000_000_000
                for source in (*SOURCES4, *reversed(SOURCES4), *SOURCES6, *reversed(SOURCES6)):
                    ours = OURS4[2] if len(source) == 4 else OURS6[2]
                    payload = {
                        LimitClass.SYN: (6, f.tcp(40000, WILD)),
                        LimitClass.UDP: (17, f.udp(40000, 4433)),
                        LimitClass.ICMP: (1 if len(source) == 4 else 58, f.icmp(8)),
                    }[limited]
                    verify(run, world, f.ethernet(f.ip(source, ours, *payload)), moment)
    assert run.shield.differences(run.state, world) == []


def collisions(seed: int) -> int:
    """How many buckets of SYNs are more than one source's or prefix's, or one's twice."""
    found = 0
    keys = {(int.from_bytes(one[:8], "big"), 4 if len(one) == 4 else 6) for one in (*SOURCES4, *SOURCES6)}
    prefixes = {(a >> (8 if b == 4 else 16) << (8 if b == 4 else 16), b + 16) for a, b in keys}
    for those, size in ((keys, SOURCE_BUCKETS), (prefixes, PREFIX_BUCKETS)):
        taken = [number & (size - 1) for key in those for number in bucket_hashes(seed, LimitClass.SYN, *key)]
        found += len(taken) - len(set(taken))
    return found


@pytest.mark.parametrize(
    ("texts", "bits"),
    [
        (("::/0", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::2/128"), 128),
        (("0.0.0.0/0", "198.51.100.0/24", "198.51.100.4/30", "198.51.100.4/32"), 32),
        (("10.0.0.0/23", "10.0.1.0/24", "10.0.2.0/24", "10.0.2.0/31", "10.0.2.1/32"), 32),
    ],
)
def test_the_longest_of_all_maps_decides_even_when_it_has_expired(
    run: Run, texts: tuple[str, ...], bits: int
) -> None:
    """A /64 stands in a table, a /32 and a /24 in one each, all others in a trie."""
    tries = Flags.HAS_BLOCKED4 | Flags.HAS_BLOCKED6
    tables = Flags.HAS_BLOCKED_HOSTS4 | Flags.HAS_BLOCKED_NETS6
    for ends in itertools.product((None, 0, NOW), repeat=len(texts)):
        entries = [(prefix(text), end) for text, end in zip(texts, ends, strict=True) if end is not None]
        listed = Prefixes.of(bits, entries)
        for flags in (tries, tables, tries | tables):
            config = replace(TABLES.config, flags=Flags.ON | flags)
            if bits == 32:
                world = replace(TABLES, config=config, blocked4=listed)
            else:
                world = replace(TABLES, config=config, blocked6=listed)
            world = enter(run, world)
            for source in SOURCES4[:16] if bits == 32 else SOURCES6[:6]:
                verify(run, world, syn(source), NOW)
            assert remembered(run, world) == []


def test_names_of_every_length_and_shape(run: Run, plain: Tables) -> None:
    """At the limits of 255 bytes, 63 bytes a label, 32 and 127 labels, 64 bytes hashed."""
    for labels in range(1, 9):
        assert plain.rules is not None
        rules = replace(plain.rules, qname_labels=labels)
        world = enter(run, replace(TABLES, rules=rules))
        sizes = (1, 2, 7, 8, 15, 31, 62, 63)
        shapes = [f.name(".".join(["l" * size] * count)) for size in sizes for count in range(1, 10)]
        shapes += [f.name(".".join("k" * count)) for count in (30, 31, 32, 33, 34, 126, 127, 128)]
        shapes += [f.name(".".join(["y" * 63] * 3 + ["W" * size])) for size in (59, 60, 61, 62, 63)]
        for qname in (*shapes, *NAMES):
            for source, ours in ((CLIENT4, OURS4[0]), (CLIENT6, OURS6[0])):
                frame = f.ethernet(f.ip(source, ours, 17, f.udp(40000, DNS, f.query(qname))))
                verify(run, world, frame, NOW)
                verify(run, world, frame[:-5], NOW)


def test_a_full_ring_loses_samples_and_says_so(run: Run) -> None:
    config = replace(TABLES.config, flags=TABLES.config.flags | Flags.CAPTURING, capture_mask=0)
    world = enter(run, replace(TABLES, config=config))
    shield = run.shield
    frame = syn(port=22)
    record = 8 + 88 + 128
    room = shield.maps["samples"].max_entries // record
    lost_before = shield.lost()
    taken = shield.fill(frame, NOW, room + 10)
    lost = [after - before for before, after in zip(lost_before, shield.lost(), strict=True)]
    assert taken[0] + lost[0] == taken[1] + lost[1] == room + 10
    assert lost[0] >= 10
    assert lost[1] > 0
    for _ in range(room + 10):
        run.state.counters[Reason.DROP_NOT_SERVED].add(frame)
    assert verify(run, world, frame, NOW)[1].reason is Reason.DROP_NOT_SERVED


@st.composite
def packets(draw: st.DrawFn) -> bytes:
    """A frame by structure; what is wrong with it is chosen, so that Hypothesis can make it small."""
    sources, ours = draw(st.sampled_from([(SOURCES4, OURS4), (SOURCES6, OURS6)]))
    source, destination = draw(st.sampled_from(sources)), draw(st.sampled_from(ours))
    kind = draw(st.sampled_from(("tcp", "udp", "dns", "icmp", "other")))
    if kind == "tcp":
        options = b"".join(draw(st.lists(st.sampled_from(TCP_OPTIONS), max_size=5)))[:40]
        protocol = 6
        payload = f.tcp(
            draw(st.integers(0, 65535)),
            draw(st.sampled_from((0, *TCP_PORTS))),
            draw(st.integers(0, 255)),
            sequence=draw(st.integers(0, 0xFFFFFFFF)),
            options=options,
            payload=draw(st.binary(max_size=12)),
            offset=draw(st.none() | st.integers(0, 15)),
        )
    elif kind in ("udp", "dns"):
        protocol = 17
        body = draw(st.binary(max_size=40))
        if kind == "dns":
            qname = draw(st.sampled_from(NAMES) | st.binary(max_size=30))
            counts = draw(st.tuples(*[st.integers(0, 3)] * 4) | st.just((1, 0, 0, 0)))
            body = f.query(qname, flags=draw(st.integers(0, 0xFFFF)), counts=counts, rest=body)
        port = draw(st.sampled_from((0, *UDP_PORTS)))
        payload = f.udp(draw(st.integers(0, 65535)), port, body, draw(st.none() | st.integers(0, 60)))
    elif kind == "icmp":
        protocol = draw(st.sampled_from((1, 58)))
        payload = f.icmp(draw(st.integers(0, 255)), payload=draw(st.binary(max_size=8)))
    else:
        protocol, payload = draw(st.integers(0, 255)), draw(st.binary(max_size=60))
    hops = draw(st.sampled_from((64, 0, 1, 254, 255)))
    if len(source) == 4:
        packet = f.ipv4(
            source,
            destination,
            protocol,
            payload,
            options=draw(st.sampled_from((b"", b"", b"\1\1\1\0", bytes(40)))),
            ttl=hops,
            fragment=draw(st.sampled_from((0x4000, 0)) | st.integers(0, 0xFFFF)),
            total=draw(st.none() | st.integers(0, 120)),
        )
    else:
        packet = f.ipv6(
            source,
            destination,
            protocol,
            payload,
            extensions=tuple(draw(st.lists(st.sampled_from(EXTENSIONS), max_size=7))),
            hops=hops,
            length=draw(st.none() | st.integers(0, 120)),
        )
    tags = tuple(draw(st.lists(st.sampled_from((0x8100, 0x88A8)), max_size=3)))
    frame = f.ethernet(packet, tags=tags)
    return frame[: draw(st.just(len(frame)) | st.integers(14, max(14, len(frame))))].ljust(14, b"\0")


@pytest.mark.parametrize("only_served", [True, False])
@pytest.mark.parametrize("dns", [3, 1])
def test_whatever_hypothesis_thinks_of(run: Run, only_served: bool, dns: int) -> None:
    flags = TABLES.config.flags if only_served else TABLES.config.flags & ~Flags.ONLY_SERVED
    services = {**TABLES.services, UDP_SERVICES + DNS: dns}
    world = enter(run, replace(TABLES, config=replace(TABLES.config, flags=flags), services=services))

    @settings(max_examples=400, deadline=None, database=None)
    @given(packets())
    def agrees(frame: bytes) -> None:
        verify(run, world, frame, NOW)

    agrees()
    assert remembered(run, world) == []


def test_random_packets_in_random_worlds() -> None:
    assert agree(SEED, 20_000)["packets"] == 20_000


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_packets_agree() -> None:
    """Two processes, each with maps, sockets and a CPU of its own. `python -m tests.engines.shield.agreement`
    does the same for a million, and for as many as one likes."""
    command = [
        sys.executable,
        "-m",
        "tests.engines.shield.agreement",
        "--packets",
        str(MANY // 2),
        "--seed",
    ]
    with (
        subprocess.Popen([*command, str(SEED)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen([*command, str(SEED + 1)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as other,
    ):
        told = [process.communicate()[0] for process in (one, other)]
    assert one.returncode == other.returncode == 0, "\n".join(told)
    results = [json.loads(text) for text in told]
    assert sum(result["packets"] for result in results) == MANY
    reasons = results[0]["reasons"]
    never = {reason for reason in reasons if not any(result["reasons"][reason] for result in results)}
    assert not never


def agree(seed: int, packets: int) -> dict[str, int]:
    """In a process of its own, so that nothing of ours is left in this one's namespace."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.engines.shield.agreement",
            "--packets",
            str(packets),
            "--seed",
            str(seed),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    result: dict[str, int] = json.loads(done.stdout)
    return result
