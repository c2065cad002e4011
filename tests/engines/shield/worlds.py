"""Random tables that make most steps of the shield matter: few addresses, low limits, rules that hit."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from random import Random
from struct import pack

from rempart.engines.shield.layout import (
    LIMIT_CLASSES,
    PROTOCOL_SERVICES,
    RULE_SLOTS,
    SAMPLE_NONE,
    UDP_SERVICES,
    RuleAction,
    When,
)
from rempart.engines.shield.model.parse import parse
from rempart.engines.shield.model.tables import (
    MAPPED,
    Config,
    Flags,
    Limit,
    Needs,
    Prefix,
    Prefixes,
    Ranged,
    Rule,
    RuleSet,
    Sockets,
    Tables,
)
from rempart.engines.shield.model.vector import vector

from .frames import raw

MILLISECOND = 1_000_000
SECOND = 1_000_000_000

OURS4 = [raw(f"192.0.2.{host}") for host in (1, 2, 3)]
OURS6 = [raw(f"2001:db8::{host}") for host in (1, 2, 3)]
CLIENT4, CLIENT6 = raw("198.51.100.1"), raw("2001:db8:1::1")
SOURCES4 = [
    CLIENT4,
    *(raw(f"198.51.100.{host}") for host in range(2, 10)),
    *(raw(f"203.0.113.{host}") for host in (1, 2, 130, 255)),
    *(raw(f"10.0.{net}.1") for net in range(3)),
    raw("192.0.2.1"),
    raw("127.0.0.1"),
    raw("0.0.0.0"),
    raw("224.0.0.1"),
]
SOURCES6 = [
    CLIENT6,
    *(raw(f"2001:db8:1:{net:x}::2") for net in range(6)),
    raw("2001:db8:1::ffff:2"),
    raw("2001:db8:2::1"),
    raw("2001:db8:2:ffff::1"),
    raw("fe80::1"),
    raw("2001:db8::1"),
    raw("::1"),
    raw("::ffff:198.51.100.2"),
]
STRANGE4 = [raw("192.0.2.200"), raw("255.255.255.255"), raw("224.0.0.5")]
STRANGE6 = [raw("2001:db8::99"), raw("ff02::1"), raw("::ffff:192.0.2.1")]

LISTENED, WILD, FULL, UNHEARD, CLOSED = 80, 443, 81, 8080, 22
DNS, UDP_SERVED, UDP_SOCKET = 53, 4433, 5353
TCP_PORTS = (LISTENED, WILD, FULL, UNHEARD, CLOSED)
UDP_PORTS = (DNS, UDP_SERVED, UDP_SOCKET, 123)

PREFIXES4 = [
    "0.0.0.0/0",
    "198.51.100.0/24",
    "198.51.100.2/32",
    "198.51.100.4/30",
    "203.0.113.0/24",
    "203.0.113.128/25",
    "10.0.0.0/8",
    "10.0.1.0/24",
    "10.0.2.1/32",
    "127.0.0.0/8",
    "224.0.0.0/4",
]
PREFIXES6 = [
    "::/0",
    "2001:db8:1::/48",
    "2001:db8:1:2::/64",
    "2001:db8:1:2::2/128",
    "2001:db8:2::/47",
    "2001:db8:2:8000::/49",
    "fe80::/10",
    "::1/128",
    "::ffff:0:0/96",
]

COLLIDING = (556328, 1198751, 1870665, 641971, 144981, 615281, 3064410, 945583, 44655)
"""Seeds with which, for SYNs, two of these sources or prefixes share one bucket, or one has the same twice.

`seed ^ class` does the same to another class. `test_seeds_that_collide` holds them to it.
"""
STRICT = Limit(300 * MILLISECOND, 900 * MILLISECOND)

FIELDS = (
    *((at, 1) for at in (0, 1, 2, 3, 12, 13, 14, 15)),
    *((at, 2) for at in (4, 6, 8, 10)),
    (16, 4),
    (20, 4),
    (24, 1),
    (24, 4),
    (24, 8),
    (32, 16),
    (44, 3),
    (44, 4),
    (48, 16),
)
"""Where the vector's fields lie, and how long they are."""


def tables(random: Random, now: int, frames: Sequence[bytes], sockets: Sockets) -> Tables:
    """Tables for a while from `now` on; rules are cut out of what `frames` look like."""
    return Tables(
        config=_config(random, now),
        allowed4=_listed(random, PREFIXES4[1:], now, 2),
        allowed6=_listed(random, PREFIXES6[1:], now, 2),
        blocked4=_listed(random, PREFIXES4[random.random() < 0.9 :], now, 3),
        blocked6=_listed(random, PREFIXES6[random.random() < 0.9 :], now, 3),
        martians4=_martians(random, PREFIXES4),
        martians6=_martians(random, PREFIXES6),
        rules=_rules(random, frames),
        addresses=frozenset(_addresses(random)),
        services=_services(random),
        sockets=sockets,
    )


def _config(random: Random, now: int) -> Config:
    flags = Flags.ON if random.random() < 0.98 else 0
    for flag, chance in (
        (Flags.DROP_MARTIANS, 0.4),
        (Flags.ONLY_SERVED, 0.7),
        (Flags.PASS_FRAGMENTS, 0.4),
        (Flags.DNS_COOKIES, 0.7),
        (Flags.HAS_ALLOWED, 0.4),
        (Flags.HAS_BLOCKED4, 0.5),
        (Flags.HAS_BLOCKED6, 0.5),
        (Flags.CAPTURING, 0.3),
        (Flags.HAS_BLOCKED_HOSTS4, 0.5),
        (Flags.HAS_BLOCKED_NETS6, 0.5),
        (Flags.COOKIE_TIMESTAMPS, 0.8),
    ):
        flags |= flag if random.random() < chance else 0
    masks = (0, 0, 0, 0, 1, 7, SAMPLE_NONE)
    return Config(
        flags=flags,
        syn_cookies=random.choice(list(When)),
        dns_challenge=random.choice((When.NEVER, When.NEVER, When.ABOVE_THRESHOLD, When.ALWAYS)),
        dns_slip=random.choice((0, 1, 2, 3, 255)),
        window_scale=random.randrange(15),
        mss4=random.choice((536, 1460)),
        mss6=random.choice((1220, 1440)),
        syn_threshold=random.choice((0, 3, 10, 50)),
        dns_threshold=random.choice((0, 3, 10, 50, 200)),
        ack_threshold=random.choice((0, 3, 10, 50, 0xFFFFFFFF)),
        sample_mask=random.choice(masks),
        drop_sample_mask=random.choice(masks),
        capture_mask=random.choice(masks),
        hold=random.choice((0, MILLISECOND, 50 * MILLISECOND, SECOND)),
        seed=random.choice(
            (random.getrandbits(64), random.choice(COLLIDING) ^ random.randrange(LIMIT_CLASSES))
        ),
        proven_for=random.choice((0, 10 * MILLISECOND, SECOND, 100 * SECOND)),
        wall=random.choice((1_790_000_000, 0xFFFFFFFF - now // SECOND - 1000, 0x7FFFFFFF - now // SECOND)),
        dns_cookie_key=random.randbytes(16),
        source=tuple(_limit(random) for _ in range(LIMIT_CLASSES)),
        prefix=(_limit(random), _limit(random), _limit(random), random.choice((_limit(random), STRICT))),
        proven_syn=_limit(random),
    )


def _limit(random: Random) -> Limit:
    if random.random() < 0.25:
        return Limit()
    interval = random.choice((1, 1000, MILLISECOND, 10 * MILLISECOND, 200 * MILLISECOND))
    return Limit(interval, interval * random.choice((1, 2, 5, 40)) + random.choice((0, 0, 1, interval - 1)))


def prefix(text: str) -> Prefix:
    """Of `198.51.100.0/24`."""
    network = ip_network(text)
    spare = network.max_prefixlen - network.prefixlen
    return Prefix(network.prefixlen, int(network.network_address) >> spare)


def _listed(random: Random, among: Sequence[str], now: int, most: int) -> Prefixes:
    times = (0, 0, now, now - 1, now + 1, now + MILLISECOND, now + SECOND, now + 100 * SECOND)
    most = most if random.random() < 0.7 else len(among)
    chosen = random.sample(among, random.randrange(most + 1))
    return Prefixes.of(_bits(among), ((prefix(text), random.choice(times)) for text in chosen))


def _martians(random: Random, among: Sequence[str]) -> Prefixes:
    chosen = random.sample(among[2:], random.randrange(5))
    return Prefixes.of(_bits(among), ((prefix(text), random.randrange(2)) for text in chosen))


def _bits(among: Sequence[str]) -> int:
    return ip_network(among[-1]).max_prefixlen


def _addresses(random: Random) -> list[bytes]:
    ours = [MAPPED + four for four in OURS4] + OURS6
    return ours if random.random() < 0.8 else random.sample(ours, 4)


def _services(random: Random) -> dict[int, int]:
    chosen: dict[int, int] = {}
    for port in TCP_PORTS[:-1]:
        if random.random() < 0.8:
            chosen[port] = 1
    for port, chance in ((DNS, 0.9), (UDP_SERVED, 0.8), (UDP_SOCKET, 0.2)):
        if random.random() < chance:
            chosen[UDP_SERVICES + port] = 3 if port == DNS and random.random() < 0.9 else 1
    for protocol in (47, 59, 1, 58, 50):
        if random.random() < 0.3:
            chosen[PROTOCOL_SERVICES + protocol] = 1
    if random.random() < 0.1:
        chosen[DNS] = 3
    return chosen


def _rules(random: Random, frames: Sequence[bytes]) -> RuleSet | None:
    if random.random() < 0.05:
        return None
    needs = random.choice((0, 7, 7, 7, 1, 2, 4, 5))
    whole = RuleSet((), Needs.OPTIONS | Needs.QNAME | Needs.PAYLOAD, random.randrange(1, 9))
    count = random.choice((0, 1, 2, 4, 8, 16, 64))
    slots = random.sample(range(RULE_SLOTS), 64)
    rules = tuple(
        _rule(random, vector(parse(random.choice(frames)), whole), random.choice(slots), number + 1)
        for number in range(count)
    )
    return RuleSet(rules, needs, whole.qname_labels)


def _rule(random: Random, model: bytes, slot: int, number: int) -> Rule:
    mask = bytearray(64)
    for at, size in random.sample(FIELDS, random.choice((1, 2, 2, 3, 3, 4))):
        if random.random() < 0.1:
            mask[at] |= 1 << random.randrange(8)
        else:
            mask[at : at + size] = b"\xff" * size
    value = bytes(a & b for a, b in zip(model, mask, strict=True))
    if random.random() < 0.03:
        value = random.randbytes(64)
    ranged = random.getrandbits(5) if random.random() < 0.4 else 0
    action = random.choices(list(RuleAction), (1, 2, 4, 4))[0]
    length, source_port, destination_port, window = (
        _around(random, int.from_bytes(model[at : at + 2], "big"), 0xFFFF) for at in (8, 4, 6, 10)
    )
    return Rule(
        mask=int.from_bytes(mask, "big"),
        value=int.from_bytes(value, "big"),
        action=action,
        slot=slot,
        id=random.choice((number, 0xFFFFFFFF - number)),
        ranged=ranged,
        length=length if ranged & Ranged.LENGTH else (0, 0xFFFF),
        source_port=source_port if ranged & Ranged.SOURCE_PORT else (0, 0xFFFF),
        destination_port=destination_port if ranged & Ranged.DESTINATION_PORT else (0, 0xFFFF),
        window=window if ranged & Ranged.WINDOW else (0, 0xFFFF),
        ttl=_around(random, model[12], 0xFF) if ranged & Ranged.TTL else (0, 0xFF),
        sample_mask=random.choice((0, 0, 1, 3, SAMPLE_NONE)),
        limit=_limit(random),
    )


def _around(random: Random, number: int, most: int) -> tuple[int, int]:
    """A range that holds a number, mostly at an edge of it."""
    low = random.choice((number, max(0, number - 1), 0, min(most, number + 1)))
    high = random.choice((number, min(most, number + 1), most, max(0, number - 1)))
    return low, high


def rule_bytes(rule: Rule) -> bytes:
    """`struct rule` of a little-endian machine."""
    mask, value = rule.mask.to_bytes(64, "big"), rule.value.to_bytes(64, "big")
    words = b"".join(mask[at : at + 8] + value[at : at + 8] for at in range(0, 64, 8))
    return words + pack(
        "<BBHI8HBB2xIQQ",
        rule.action,
        rule.ranged,
        rule.slot,
        rule.id,
        *rule.length,
        *rule.source_port,
        *rule.destination_port,
        *rule.window,
        *rule.ttl,
        rule.sample_mask,
        rule.limit.interval,
        rule.limit.depth,
    )
