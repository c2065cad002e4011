"""Packets one by one: what becomes of each, why, and what goes back. Written from docs/shield.md by hand; the
oracle is not asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from struct import pack, unpack_from

import numpy as np
import pytest

from rempart.engines.shield import layout
from rempart.engines.shield.layout import Needs, Ranged, Reason, RuleAction
from rempart.engines.shield.model.tables import Limit, Rule, RuleSet, Tables
from tests.engines.shield import frames as f
from tests.engines.shield.program import Answer, Shield
from tests.engines.shield.sockets import network

from .listeners import listening
from .world import (
    ALLOWED4,
    BLOCKED4,
    COOKIES,
    DNS,
    ELSEWHERE4,
    HTTPS,
    LISTENED,
    NOW,
    SYSLOG,
    TABLES,
    THEM4,
    THEM6,
    US4,
    US6,
    addressed,
    answer,
    challenging,
)

pytestmark = pytest.mark.root

SYN, ACK, RST, FIN, PSH, URG = 2, 16, 4, 1, 8, 32


@pytest.fixture(scope="module")
def shield() -> Iterator[Shield]:
    """The program among sockets of ours, on one CPU. Raises EnvironmentLacks where there is no BPF."""
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cpus)})
    try:
        with network(), listening(LISTENED, US4, US6), Shield() as found:
            yield found
    finally:
        os.sched_setaffinity(0, cpus)


def judged(shield: Shield, world: Tables, frame: bytes) -> tuple[Reason, Answer, np.void]:
    shield.enter(world)
    given = shield.run(frame, NOW)
    sample = np.frombuffer(given.samples[-1][: layout.SAMPLE.itemsize], layout.SAMPLE)[0]
    assert given.verdict == sample["verdict"] == Reason(int(sample["reason"])).verdict
    return Reason(int(sample["reason"])), given, sample


def tcp4(flags: int = ACK, port: int = HTTPS, source: bytes = THEM4, **fields: object) -> bytes:
    return addressed(source, f.tcp(40000, port, flags), 6, **fields)


def with_options(options: bytes) -> bytes:
    return addressed(THEM4, f.tcp(40000, HTTPS, SYN, options=options), 6)


def asked(message: bytes) -> bytes:
    return addressed(THEM4, f.udp(5353, DNS, message), 17)


def v4(**fields: object) -> bytes:
    return f.ipv4(THEM4, US4, 6, f.tcp(40000, HTTPS, ACK), **fields)  # type: ignore[arg-type]


def v6(*extensions: tuple[int, bytes], protocol: int = 6, payload: bytes | None = None) -> bytes:
    payload = f.tcp(40000, HTTPS, ACK) if payload is None else payload
    return f.ethernet(f.ipv6(THEM6, US6, protocol, payload, extensions=extensions))


STAMP = f.timestamp(1)
NO_OPTION = f.edns_option(12, b"")
HOP = (0, b"\x00\x01\x04" + bytes(4))
DESTINATION = (60, b"\x00\x01\x04" + bytes(4))
ROUTING0, ROUTING4 = (43, b"\x00\x00\x00" + bytes(4)), (43, b"\x00\x04\x00" + bytes(4))
AUTHENTICATION = (51, b"\x04\x00\x00" + bytes(20))
LONG = (60, b"\x01" + bytes(14))
WHOLE = tcp4()

PACKETS = [
    # Ethernet
    ("14 bytes, type ARP", f.ethernet(b"", 0x0806), Reason.PASS_NOT_IP),
    ("one tag", f.ethernet(v4(), tags=(0x8100,)), Reason.PASS),
    ("two tags", f.ethernet(v4(), tags=(0x88A8, 0x8100)), Reason.PASS),
    ("three tags", f.ethernet(v4(), tags=(0x88A8, 0x8100, 0x8100)), Reason.DROP_ETHERNET),
    ("a tag cut off", f.ethernet(b"", 0x8100)[:14] + b"\0\1\x08", Reason.DROP_ETHERNET),
    ("a tag and ARP", f.ethernet(b"", 0x0806, (0x8100,)), Reason.PASS_NOT_IP),
    # IPv4
    ("19 bytes of IPv4", f.ethernet(v4()[:19]), Reason.DROP_IP),
    ("version 5", f.ethernet(b"\x55" + v4()[1:], 0x0800), Reason.DROP_IP),
    ("IPv6 in a frame of IPv4", f.ethernet(v6()[14:], 0x0800), Reason.DROP_IP),
    ("IHL 4", f.ethernet(b"\x44" + v4()[1:]), Reason.DROP_IP),
    ("IHL past the end", f.ethernet(b"\x4f" + v4()[1:]), Reason.DROP_IP),
    ("total length under the header", f.ethernet(v4(total=19)), Reason.DROP_IP),
    ("total length past the end", f.ethernet(v4(total=41)), Reason.DROP_IP),
    ("padding behind it", WHOLE + bytes(6), Reason.PASS),
    ("a header that padding would complete", f.ethernet(v4(total=39)) + bytes(6), Reason.DROP_TCP),
    ("options", f.ethernet(v4(options=b"\x94\x04\0\0")), Reason.PASS),
    # IPv6
    ("39 bytes of IPv6", v6()[: 14 + 39], Reason.DROP_IP),
    ("payload length past the end", v6()[:-1], Reason.DROP_IP),
    ("payload length 0, as a jumbogram", f.ethernet(f.ipv6(THEM6, US6, 6, bytes(20), length=0)),
     Reason.DROP_TCP),
    ("hop-by-hop", v6(HOP), Reason.PASS),
    ("hop-by-hop second", v6(DESTINATION, HOP), Reason.DROP_EXTENSION),
    ("routing type 0", v6(ROUTING0), Reason.DROP_EXTENSION),
    ("routing type 4", v6(ROUTING4), Reason.PASS),
    ("authentication, 24 bytes", v6(AUTHENTICATION), Reason.PASS),
    ("16 bytes of destination options", v6(LONG), Reason.PASS),
    ("six extension headers", v6(HOP, *[DESTINATION] * 5), Reason.PASS),
    ("seven", v6(HOP, *[DESTINATION] * 6), Reason.DROP_EXTENSION),
    ("an extension header cut off", v6(protocol=60, payload=b"\x06\x01" + bytes(13)), Reason.DROP_EXTENSION),
    ("an atomic fragment", v6(f.fragment_header(0, False)), Reason.PASS),
    ("a fragment", v6(f.fragment_header(0, True)), Reason.DROP_FRAGMENT),
    ("its next", v6(f.fragment_header(1, False), payload=b"x"), Reason.DROP_FRAGMENT),
    ("two fragment headers", v6(*[f.fragment_header(0, True)] * 2), Reason.DROP_EXTENSION),
    ("nothing follows", v6(protocol=59, payload=b""), Reason.DROP_NOT_SERVED),
    # Transport
    ("19 bytes of TCP", addressed(THEM4, f.tcp(40000, HTTPS, ACK)[:19], 6), Reason.DROP_TCP),
    ("data offset 4", addressed(THEM4, f.tcp(40000, HTTPS, ACK, offset=4), 6), Reason.DROP_TCP),
    ("data offset past the end", addressed(THEM4, f.tcp(40000, HTTPS, ACK, offset=6), 6), Reason.DROP_TCP),
    ("TCP from port 0", addressed(THEM4, f.tcp(0, HTTPS, ACK), 6), Reason.DROP_TCP),
    ("TCP to port 0", addressed(THEM4, f.tcp(40000, 0, ACK), 6), Reason.DROP_TCP),
    ("no flags", tcp4(0), Reason.DROP_TCP_FLAGS),
    ("SYN FIN", tcp4(SYN | FIN), Reason.DROP_TCP_FLAGS),
    ("SYN RST", tcp4(SYN | RST), Reason.DROP_TCP_FLAGS),
    ("FIN RST", tcp4(FIN | RST | ACK), Reason.DROP_TCP_FLAGS),
    ("FIN alone", tcp4(FIN), Reason.DROP_TCP_FLAGS),
    ("Christmas", tcp4(FIN | PSH | URG), Reason.DROP_TCP_FLAGS),
    ("all flags", tcp4(63), Reason.DROP_TCP_FLAGS),
    ("RST", tcp4(RST), Reason.PASS),
    ("RST ACK", tcp4(RST | ACK), Reason.PASS),
    ("SYN with ECN", tcp4(SYN | 0xC0), Reason.PASS),
    ("7 bytes of UDP", addressed(THEM4, f.udp(1, SYSLOG)[:7], 17), Reason.DROP_UDP),
    ("UDP to port 0", addressed(THEM4, f.udp(1, 0), 17), Reason.DROP_UDP),
    ("UDP from port 0", addressed(THEM4, f.udp(0, SYSLOG), 17), Reason.PASS),
    ("UDP length 7", addressed(THEM4, f.udp(1, SYSLOG, length=7), 17), Reason.DROP_UDP),
    ("UDP length past the end", addressed(THEM4, f.udp(1, SYSLOG, b"x", length=10), 17), Reason.DROP_UDP),
    ("UDP length short of the end", addressed(THEM4, f.udp(1, SYSLOG, b"xyz", length=9), 17), Reason.PASS),
    ("7 bytes of ICMP", addressed(THEM4, b"\x08\0" + bytes(5), 1), Reason.DROP_ICMP),
    ("ping", addressed(THEM4, f.icmp(8), 1), Reason.PASS),
    ("ping over IPv6", addressed(THEM6, f.icmp(128), 58), Reason.PASS),
    ("ICMP over IPv6", addressed(THEM6, f.icmp(8), 1), Reason.DROP_NOT_SERVED),
    ("neighbour discovery", addressed(THEM6, f.icmp(135), 58, hops=255), Reason.PASS_NEIGHBOUR),
    ("neighbour discovery to a group", f.ethernet(f.ipv6(THEM6, f.raw("ff02::1"), 58, f.icmp(136), hops=255)),
     Reason.PASS_NEIGHBOUR),
    ("neighbour discovery from afar", addressed(THEM6, f.icmp(135), 58, hops=254), Reason.PASS),
    # Lists
    ("blocked host", tcp4(source=BLOCKED4), Reason.DROP_BLOCKED),
    ("allowed and blocked", tcp4(source=ALLOWED4), Reason.PASS_ALLOWED),
    ("malformed comes before allowed", tcp4(0, source=ALLOWED4), Reason.DROP_TCP_FLAGS),
    ("blocked network", tcp4(source=f.raw("203.0.114.9")), Reason.DROP_BLOCKED),
    ("an expired host of a blocked network", tcp4(source=f.raw("203.0.114.7")), Reason.PASS),
    ("a host that expires in a nanosecond", tcp4(source=f.raw("203.0.114.8")), Reason.DROP_BLOCKED),
    ("blocked /48", tcp4(source=f.raw("2001:db8:bad:9::5")), Reason.DROP_BLOCKED),
    ("an expired /64 in it", tcp4(source=f.raw("2001:db8:bad:1::6")), Reason.PASS),
    ("a blocked host in the expired /64", tcp4(source=f.raw("2001:db8:bad:1::5")), Reason.DROP_BLOCKED),
    ("a blocked /64", tcp4(source=f.raw("2001:db8:bad:2::6")), Reason.DROP_BLOCKED),
    ("an expired host in it", tcp4(source=f.raw("2001:db8:bad:2::5")), Reason.PASS),
    ("martian", tcp4(source=f.raw("10.8.0.1")), Reason.DROP_MARTIAN),
    ("a private network that is ours", tcp4(source=f.raw("10.7.0.1")), Reason.PASS),
    ("martian over IPv6", tcp4(source=f.raw("fd00::1")), Reason.DROP_MARTIAN),
    ("from itself", tcp4(source=US4), Reason.DROP_MARTIAN),
    ("from itself over IPv6", tcp4(source=US6), Reason.DROP_MARTIAN),
    # Ours, and served
    ("to somebody else", f.ethernet(f.ipv4(THEM4, ELSEWHERE4, 6, f.tcp(1, 22))), Reason.PASS_NOT_OURS),
    ("a fragment to somebody else", f.ethernet(f.ipv4(THEM4, ELSEWHERE4, 17, b"x", fragment=100)),
     Reason.PASS_NOT_OURS),
    ("a first fragment", f.ethernet(v4(fragment=0x2000)), Reason.DROP_FRAGMENT),
    ("a later fragment", f.ethernet(v4(fragment=5)), Reason.DROP_FRAGMENT),
    ("the last byte of a fragment's offset", f.ethernet(v4(fragment=0x1FFF)), Reason.DROP_FRAGMENT),
    ("a first fragment with longer UDP", addressed(THEM4, f.udp(1, SYSLOG, length=4000), 17, fragment=0x2000),
     Reason.DROP_FRAGMENT),
    ("a port that is not served", tcp4(SYN, port=22), Reason.DROP_NOT_SERVED),
    ("an answer that nobody waits for", tcp4(SYN | ACK, port=50000), Reason.DROP_NOT_SERVED),
    ("UDP that is not served", addressed(THEM4, f.udp(1, 11211, b"x"), 17), Reason.DROP_NOT_SERVED),
    ("GRE", addressed(THEM4, bytes(8), 47), Reason.DROP_NOT_SERVED),
    # DNS
    ("a query", asked(f.query(f.name("example.org"))), Reason.PASS),
    ("11 bytes of DNS", asked(bytes(11)), Reason.DROP_DNS_MALFORMED),
    ("an answer", addressed(THEM4, f.udp(53, DNS, f.query(f.name("a"), flags=0x8180)), 17),
     Reason.DROP_DNS_RESPONSE),
    ("status", asked(f.query(f.name("a"), flags=0x1000)),
     Reason.DROP_DNS_OPCODE),
    ("NOTIFY", asked(f.query(f.name("a"), flags=0x2000)), Reason.PASS),
    ("UPDATE", asked(f.query(f.name("a"), flags=0x2800)), Reason.PASS),
    ("two questions", asked(f.query(f.name("a"), counts=(2, 0, 0, 0))),
     Reason.DROP_DNS_MALFORMED),
    ("a compressed name", asked(f.query(b"\xc0\x0c")), Reason.DROP_DNS_MALFORMED),
    ("a name of 255 bytes", asked(f.query(f.name(".".join(["a"] * 127)))),
     Reason.PASS),
    ("a name of 257 bytes", asked(f.query(f.name(".".join(["a"] * 128)))),
     Reason.DROP_DNS_MALFORMED),
    ("a class cut off", asked(f.query(f.name("a"))[:-1]),
     Reason.DROP_DNS_MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "reason"), [pytest.param(*one[1:], id=one[0]) for one in PACKETS])
def test_a_packet(shield: Shield, frame: bytes, reason: Reason) -> None:
    found, given, sample = judged(shield, TABLES, frame)
    assert found is reason
    assert given.frame == frame
    assert int(sample["length"]) == len(frame)
    assert given.samples[-1][layout.SAMPLE.itemsize :] == frame[:128]


LINUX = f.mss(1460) + f.SACK + f.timestamp(7) + f.NOP + f.scale(7)
WINDOWS = f.mss(1460) + f.NOP + f.scale(8) + f.NOP + f.NOP + f.SACK
# FNV-1a of the kinds 2 4 8 1 3; of 2 1 3 1 1 4; of 5 and 0xFF; of 5 5 and 0xFF; of 24 times 1; of nothing;
# of "\7example\3org"; of "\3org".
VECTORS = [
    ("Linux", with_options(LINUX), "options_digest", 0x32E187F9),
    ("Windows", with_options(WINDOWS), "options_digest", 0x051CADD1),
    ("a length of 0", with_options(b"\5\0\1\1"), "options_digest", 0xD26AFBAD),
    ("a length past the end", with_options(b"\5\5\1\1"), "options_digest",
     0xD26AFBAD),
    ("no length", with_options(b"\5\3\0\5"), "options_digest", 0x8F3B7820),
    ("40 times nothing: 24 count", with_options(f.NOP * 40), "options_digest",
     0x89BD5ABD),
    ("an end at once", with_options(bytes(4)), "options_digest", 0x811C9DC5),
    ("no options", tcp4(SYN), "options_digest", 0),
    ("two labels", asked(f.query(f.name("www.ExAmPlE.oRg"))), "qname_hash", 0x8655426D),
    ("one label", asked(f.query(f.name("org"))), "qname_hash", 0x58B7A838),
    ("the root", asked(f.query(f.name("."))), "qname_hash", 0x811C9DC5),
    ("no name", asked(f.query(b"\x40")), "qname_hash", 0),
    ("not DNS", addressed(THEM4, f.udp(1, SYSLOG, f.query(f.name("org"))), 17), "qname_hash", 0),
    ("data", addressed(THEM4, f.tcp(1, HTTPS, ACK, options=LINUX, payload=b"GET / HTTP/1.1"), 6), "payload",
     0x474554202F204854),
    ("three bytes", addressed(THEM4, f.udp(1, SYSLOG, b"abc"), 17), "payload", 0x6162630000000000),
    ("short of the end", addressed(THEM4, f.udp(1, SYSLOG, b"abc", length=10), 17), "payload",
     0x6162000000000000),
    ("ICMP", addressed(THEM4, f.icmp(8, 3), 1), "source_port", 0x0803),
    ("window", tcp4(), "window", 64240),
    ("IPv6 and a long header", v6(LONG), "length", 76),
    ("options and a tag", f.ethernet(v4(options=b"\1\1\1\1"), tags=(0x8100,)), "extras", 5),
    ("extensions and two tags", f.ethernet(v6(HOP)[14:], tags=(0x8100, 0x8100)), "extras", 10),
    ("an atomic fragment is none", v6(f.fragment_header(0, False)), "fragment", 0),
    ("an IPv6 fragment", v6(f.fragment_header(3, True)), "fragment", 6),
    ("don't fragment", WHOLE, "fragment", 1),
    ("malformed flags", tcp4(SYN | FIN), "destination_port", HTTPS),
    ("malformed IP", f.ethernet(b"\x44" + v4()[1:]), "source", 0),
]  # fmt: skip


@pytest.mark.parametrize(("frame", "field", "value"), [pytest.param(*one[1:], id=one[0]) for one in VECTORS])
def test_what_rules_see(shield: Shield, frame: bytes, field: str, value: int) -> None:
    needs = RuleSet((), Needs.OPTIONS | Needs.QNAME | Needs.PAYLOAD, qname_labels=2)
    vector = judged(shield, replace(TABLES, rules=needs), frame)[2]["vector"]
    found = vector[field]
    assert int.from_bytes(found.tobytes(), "big") == value


def test_rules_go_in_order_and_a_limit_lets_the_next_one_ask(shield: Shield) -> None:
    to_https = (0xFFFF << (64 - 8) * 8, HTTPS << (64 - 8) * 8)
    limit = Rule(*to_https, RuleAction.LIMIT, slot=900, id=11, limit=Limit(1_000_000_000, 2_000_000_000))
    never = Rule(*to_https, RuleAction.DROP, slot=901, id=12, ranged=Ranged.TTL, ttl=(58, 255))
    always = Rule(*to_https, RuleAction.DROP, slot=902, id=13, ranged=Ranged.LENGTH, length=(40, 40))
    world = replace(TABLES, rules=RuleSet((limit, never, always)))
    found = [judged(shield, world, WHOLE) for _ in range(3)]
    assert [reason for reason, _, _ in found] == [Reason.DROP_RULE, Reason.DROP_RULE, Reason.DROP_RULE_LIMIT]
    assert [int(sample["rule"]) for _, _, sample in found] == [13, 13, 11]
    assert judged(shield, world, tcp4(port=LISTENED))[0] is Reason.PASS


TAG = bytes.fromhex("81002001")


@pytest.mark.parametrize("source", [THEM4, THEM6], ids=["4", "6"])
@pytest.mark.parametrize(
    ("options", "back", "low_bits"),
    [
        pytest.param(b"", "", None, id="no options"),
        pytest.param(WINDOWS, "", None, id="no timestamp, no scale"),
        pytest.param(LINUX, "0402 080a {stamp} 00000007 01030309", 16 | 7, id="Linux"),
        pytest.param(f.timestamp(0xDEADBEEF), "0101 080a {stamp} deadbeef 01010101", 15, id="a timestamp"),
        pytest.param(STAMP + f.scale(200), "0101 080a {stamp} 00000001 01030309", 14, id="scale 200"),
        pytest.param(STAMP + b"\3\4\7\0", "0101 080a {stamp} 00000001 01010101", 15, id="4 bytes"),
        pytest.param(STAMP + b"\5\0" + f.SACK, "0101 080a {stamp} 00000001 01010101", 15, id="broken off"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tagged", [False, True], ids=["", "tagged"])
def test_a_syn_is_answered(
    shield: Shield, source: bytes, options: bytes, back: str, low_bits: int | None, tagged: bool
) -> None:
    syn = addressed(source, f.tcp(40000, LISTENED, SYN | 0xC0, sequence=0xFFFFFFFF, options=options), 6)
    if tagged:
        syn = syn[:12] + TAG + syn[12:]
    reason, given, _ = judged(shield, COOKIES, syn)
    assert reason is Reason.TX_SYN_COOKIE
    ip = 20 if len(source) == 4 else 40
    (cookie,) = unpack_from("!I", given.frame, 14 + 4 * tagged + ip + 4)
    clock = NOW // 1_000_000 & 0xFFFFFFFF
    stamp = 0 if low_bits is None else clock & ~63 | low_bits
    if stamp > clock:
        stamp -= 64
    mss = 1400 if len(source) == 4 else 1380
    sent = b"\2\4" + pack("!H", mss) + bytes.fromhex(back.format(stamp=f"{stamp:08x}"))
    segment = pack(
        "!HHIIBBHHH", LISTENED, 40000, cookie, 0, (5 + len(sent) // 4) << 4, SYN | ACK, 65535, 0, 0
    )
    assert given.frame == answer(source, segment + sent, 6, 16, TAG * tagged)


def test_a_syn_is_answered_without_options_when_the_kernel_could_not_read_them(shield: Shield) -> None:
    world = replace(COOKIES, config=replace(COOKIES.config, flags=TABLES.config.flags))
    syn = addressed(THEM4, f.tcp(40000, LISTENED, SYN, options=LINUX), 6)
    reason, given, _ = judged(shield, world, syn)
    assert reason is Reason.TX_SYN_COOKIE
    assert given.frame[14 + 20 + 12 :][:1] == b"\x60"
    assert len(given.frame) == 14 + 20 + 24


@pytest.mark.parametrize("source", [THEM4, THEM6], ids=["4", "6"])
def test_a_cookie_comes_back(shield: Shield, source: bytes) -> None:
    port = 41000
    given = judged(shield, COOKIES, addressed(source, f.tcp(port, LISTENED, SYN, sequence=77), 6))[1]
    (cookie,) = unpack_from("!I", given.frame, 14 + (20 if len(source) == 4 else 40) + 4)

    def ack(acknowledgement: int) -> Reason:
        segment = f.tcp(port, LISTENED, ACK, sequence=78, acknowledgement=acknowledgement & 0xFFFFFFFF)
        return judged(shield, COOKIES, addressed(source, segment, 6))[0]

    # The next three would be the same cookie for another MSS, and valid in their time.
    assert ack(cookie - 1) is Reason.DROP_ACK
    assert ack(cookie + 1 + 0x10000) is Reason.DROP_ACK
    assert ack(cookie + 1) is Reason.PASS_PROVEN


OTHERS = [
    ("IP options", tcp4(SYN, port=LISTENED, options=b"\1\1\1\1"), Reason.DROP_SYN_OPTIONS),
    ("no listener", tcp4(SYN), Reason.PASS),
    ("ACK to no listener", tcp4(ACK), Reason.DROP_ACK),
    ("ACK to a listener", tcp4(ACK, port=LISTENED), Reason.DROP_ACK),
    ("FIN", tcp4(FIN | ACK, port=LISTENED), Reason.DROP_ACK),
    ("RST", tcp4(RST | ACK, port=LISTENED), Reason.PASS),
    ("SYN ACK", tcp4(SYN | ACK, port=LISTENED), Reason.PASS),
]


@pytest.mark.parametrize(("frame", "reason"), [pytest.param(*one[1:], id=one[0]) for one in OTHERS])
def test_tcp_while_cookies_are_made(shield: Shield, frame: bytes, reason: Reason) -> None:
    found, given, _ = judged(shield, COOKIES, frame)
    assert found is reason
    assert given.frame == frame


KEY1, KEY2 = "e5e973e5a6b2a43f48e7dc849e37bfcf", "dd3bdf9344b678b185a6f5cb60fca715"
COOKIE_A1 = "2464c4abcf10c957010000005cf79f111f8130c3eee29480"
COOKIE_A4 = "22681ab97d52c298010000005cf7c57926556bd0934c72f8"
LATER = 0x5CF7C579 - 0x5CF79F11


def asks(source: bytes, cookie: str, *before: bytes) -> bytes:
    opt = f.opt(b"".join(before) + f.edns_option(10, bytes.fromhex(cookie)))
    message = f.query(f.name("example.org"), counts=(1, 0, 0, 1), rest=opt)
    return addressed(source, f.udp(5353, DNS, message), 17)


@pytest.mark.parametrize(
    ("frame", "key", "age", "reason"),
    [
        pytest.param(asks(THEM4, COOKIE_A1), KEY1, 0, Reason.PASS, id="RFC 9018, A.1"),
        pytest.param(asks(THEM6, COOKIE_A4), KEY2, LATER, Reason.PASS, id="RFC 9018, A.4"),
        pytest.param(asks(THEM4, COOKIE_A1), KEY2, 0, Reason.TX_DNS_TRUNCATED, id="another key"),
        pytest.param(asks(f.raw("198.51.100.1"), COOKIE_A1), KEY1, 0, Reason.TX_DNS_TRUNCATED, id="not its"),
        pytest.param(asks(THEM4, COOKIE_A1), KEY1, 3600, Reason.PASS, id="an hour old"),
        pytest.param(asks(THEM4, COOKIE_A1), KEY1, 3601, Reason.TX_DNS_TRUNCATED, id="older"),
        pytest.param(asks(THEM4, COOKIE_A1), KEY1, -300, Reason.PASS, id="five minutes ahead"),
        pytest.param(asks(THEM4, COOKIE_A1), KEY1, -301, Reason.TX_DNS_TRUNCATED, id="further ahead"),
        pytest.param(asks(THEM4, COOKIE_A1[:16]), KEY1, 0, Reason.TX_DNS_TRUNCATED, id="the client's part"),
        pytest.param(asks(THEM4, COOKIE_A1, *[NO_OPTION] * 7), KEY1, 0, Reason.PASS, id="the eighth"),
        pytest.param(asks(THEM4, COOKIE_A1, *[NO_OPTION] * 8), KEY1, 0, Reason.TX_DNS_TRUNCATED,
                     id="the ninth"),
    ],
)  # fmt: skip
def test_a_resolver_is_sent_to_tcp_unless_it_has_a_cookie(
    shield: Shield, frame: bytes, key: str, age: int, reason: Reason
) -> None:
    world = challenging(key)
    world = replace(world, config=replace(world.config, wall=world.config.wall + age))
    assert judged(shield, world, frame)[0] is reason


@pytest.mark.parametrize("source", [THEM4, THEM6], ids=["4", "6"])
@pytest.mark.parametrize("name", [".", "a", "ab", "abc", "www.example.org", ".".join(["a" * 49] * 5)])
@pytest.mark.parametrize("port", [0, 53, 65535])
def test_a_query_is_answered_truncated(shield: Shield, source: bytes, name: str, port: int) -> None:
    question = f.name(name) + b"\0\1\0\1"
    message = f.query(f.name(name), flags=0x01FF & ~0xF, counts=(1, 0, 0, 1), rest=f.opt())
    frame = addressed(source, f.udp(port, DNS, message), 17)
    reason, given, _ = judged(shield, challenging(KEY1), frame)
    assert reason is Reason.TX_DNS_TRUNCATED
    # QR, TC, RD; of the rest CD. One question, nothing else.
    back = pack("!HHHHHH", 0xBEEF, 0x8310, 1, 0, 0, 0) + question
    assert given.frame == answer(source, f.udp(DNS, port, back), 17, 6)
    assert len(given.frame) < len(frame)


@pytest.mark.parametrize(
    ("source", "fields"),
    [
        pytest.param(THEM4, {"options": b"\1\1\1\1"}, id="IP options"),
        pytest.param(THEM6, {"extensions": (DESTINATION,)}, id="extension headers"),
    ],
)
def test_no_answer_to_what_no_resolver_sends(
    shield: Shield, source: bytes, fields: dict[str, object]
) -> None:
    frame = addressed(source, f.udp(5353, DNS, f.query(f.name("a"))), 17, **fields)
    reason, given, _ = judged(shield, challenging(KEY1), frame)
    assert reason is Reason.DROP_DNS_LIMIT
    assert given.frame == frame


def test_every_second_answer_above_the_limit_is_truncated(shield: Shield) -> None:
    limits = (Limit(), Limit(), Limit(), Limit(10**12, 10**12))
    config = replace(TABLES.config, prefix=limits, dns_slip=2, seed=99)
    world = replace(TABLES, config=config)
    frame = addressed(f.raw("198.18.7.1"), f.udp(5353, DNS, f.query(f.name("a"))), 17)
    reasons = [judged(shield, world, frame)[0] for _ in range(7)]
    assert reasons[0] is Reason.PASS
    assert {*reasons[1::2], *reasons[2::2]} == {Reason.DROP_DNS_LIMIT, Reason.TX_DNS_TRUNCATED}
    assert len({*reasons[1::2]}) == len({*reasons[2::2]}) == 1


def test_the_limit_of_a_source_and_of_its_network(shield: Shield) -> None:
    second = Limit(10**12, 10**12)
    config = replace(
        TABLES.config,
        seed=7,
        source=(Limit(), second, Limit(), Limit()),
        prefix=(Limit(), Limit(10**12, 2 * 10**12), Limit(), Limit()),
    )
    world = replace(TABLES, config=config)

    def ask(source: str) -> Reason:
        return judged(shield, world, addressed(f.raw(source), f.udp(1, SYSLOG, b"x"), 17))[0]

    assert [ask("198.19.1.1") for _ in range(2)] == [Reason.PASS, Reason.DROP_SOURCE_UDP]
    assert [ask(f"198.19.1.{host}") for host in (2, 3)] == [Reason.PASS, Reason.DROP_PREFIX_UDP]
    assert ask("198.19.2.1") is Reason.PASS
    assert [ask("2001:db8:5:5::1"), ask("2001:db8:5:5::2")] == [Reason.PASS, Reason.DROP_SOURCE_UDP]
