"""The little world of the packets in this folder, and the answers that they must get, put together by code
that shares nothing with the oracle."""

from __future__ import annotations

from dataclasses import replace
from struct import pack, unpack

from rempart.engines.shield.layout import UDP_SERVICES, When
from rempart.engines.shield.model.tables import MAPPED, Config, Flags, Prefix, Prefixes, Tables
from tests.engines.shield import frames as f

NOW = 5_000_000_000_000
WALL = 1_559_731_985
"""2019-06-05 10:53:05 UTC, the time of RFC 9018, A.1."""

US4, US6 = f.raw("192.0.2.1"), f.raw("2001:db8::1")
THEM4, THEM6 = f.raw("198.51.100.100"), f.raw("2001:db8:220:1:59de:d0f4:8769:82b8")
"""The clients of RFC 9018, A.1 and A.4."""
BLOCKED4, ALLOWED4 = f.raw("203.0.113.9"), f.raw("203.0.113.10")
ELSEWHERE4 = f.raw("192.0.2.99")

HTTPS, DNS, SYSLOG = 8081, 53, 514
LISTENED = 4434

CONFIG = Config(
    flags=Flags.ON
    | Flags.ONLY_SERVED
    | Flags.DROP_MARTIANS
    | Flags.HAS_ALLOWED
    | Flags.HAS_BLOCKED4
    | Flags.HAS_BLOCKED_HOSTS4
    | Flags.HAS_BLOCKED6
    | Flags.HAS_BLOCKED_NETS6,
    sample_mask=0,
    drop_sample_mask=0,
    mss4=1400,
    mss6=1380,
    window_scale=9,
)


def prefix(number: bytes, length: int) -> Prefix:
    return Prefix(length, int.from_bytes(number, "big") >> (len(number) * 8 - length))


TABLES = Tables(
    config=CONFIG,
    allowed4=Prefixes.of(32, [(prefix(ALLOWED4, 32), 0)]),
    blocked4=Prefixes.of(
        32,
        [
            (prefix(BLOCKED4, 32), 0),
            (prefix(ALLOWED4, 32), 0),
            (prefix(f.raw("203.0.114.0"), 24), 0),
            (prefix(f.raw("203.0.114.7"), 32), NOW),  # expired, and the longest all the same
            (prefix(f.raw("203.0.114.8"), 32), NOW + 1),
        ],
    ),
    blocked6=Prefixes.of(
        128,
        [
            (prefix(f.raw("2001:db8:bad::"), 48), 0),
            (prefix(f.raw("2001:db8:bad:1::"), 64), NOW),  # expired
            (prefix(f.raw("2001:db8:bad:1::5"), 128), 0),
            (prefix(f.raw("2001:db8:bad:2::5"), 128), NOW),  # expired
            (prefix(f.raw("2001:db8:bad:2::"), 64), 0),
        ],
    ),
    martians4=Prefixes.of(32, [(prefix(f.raw("10.0.0.0"), 8), 1), (prefix(f.raw("10.7.0.0"), 16), 0)]),
    martians6=Prefixes.of(128, [(prefix(f.raw("fc00::"), 7), 1)]),
    addresses=frozenset([MAPPED + US4, US6]),
    services={HTTPS: 1, LISTENED: 1, UDP_SERVICES + DNS: 3, UDP_SERVICES + SYSLOG: 1},
)

COOKIES = replace(
    TABLES,
    config=replace(CONFIG, flags=CONFIG.flags | Flags.COOKIE_TIMESTAMPS, syn_cookies=When.ALWAYS),
)


def challenging(key: str) -> Tables:
    """Every resolver is sent to TCP, but for those that have a cookie made with this key."""
    config = replace(
        CONFIG,
        flags=CONFIG.flags | Flags.DNS_COOKIES,
        dns_challenge=When.ALWAYS,
        dns_cookie_key=bytes.fromhex(key),
        wall=WALL - NOW // 1_000_000_000,
    )
    return replace(TABLES, config=config)


def addressed(source: bytes, transport: bytes, protocol: int, **fields: object) -> bytes:
    """A frame to us, of the family that the source has."""
    us, make = (US4, f.ipv4) if len(source) == 4 else (US6, f.ipv6)
    return f.ethernet(make(source, us, protocol, transport, **fields))  # type: ignore[arg-type]


def ones_complement(data: bytes) -> int:
    """RFC 1071: the sum; of data with a right checksum in it 0xFFFF."""
    data += bytes(len(data) % 2)
    total: int = sum(unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def answer(source: bytes, transport: bytes, protocol: int, checksum_at: int, tags: bytes = b"") -> bytes:
    """The frame that goes back to ``source``: links turned round, fixed IP header, both checksums right."""
    us = US4 if len(source) == 4 else US6
    pseudo = us + source + pack("!IHBB", len(transport), 0, 0, protocol)
    check = ~ones_complement(pseudo + transport) & 0xFFFF
    if protocol == 17 and not check:
        check = 0xFFFF
    transport = transport[:checksum_at] + pack("!H", check) + transport[checksum_at + 2 :]
    if len(source) == 4:
        head = pack("!BBHHHBBH", 0x45, 0, 20 + len(transport), 0, 0x4000, 64, protocol, 0) + us + source
        head = head[:10] + pack("!H", ~ones_complement(head) & 0xFFFF) + head[12:]
        return f.THEIR_MAC + f.OUR_MAC + tags + b"\x08\x00" + head + transport
    head = pack("!IHBB", 0x60000000, len(transport), protocol, 64) + us + source
    return f.THEIR_MAC + f.OUR_MAC + tags + b"\x86\xdd" + head + transport
