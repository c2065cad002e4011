"""The ways a packet can take through the shield, each with frames that take it. Pure.

What a way needs and nothing else is switched on: the figures can be added up. ``everything`` has it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

import numpy as np

from rempart.engines.shield.layout import Reason
from rempart.engines.shield.model.hashing import siphash24
from rempart.lab.attacks.packets import Frames, any_sources
from rempart.lab.bench.shield_decisions import CLOSED, DNS, HTTPS, OURS
from rempart.lab.bench.shield_frames import (
    ACK,
    ETHERNET,
    LINUX_SYN_OPTIONS,
    SYN,
    Body,
    Sources,
    echo,
    frames,
    query,
    tcp,
    udp,
)
from rempart.lab.bench.shield_prefixes import Prefixes
from rempart.lab.bench.shield_rules import SIGNATURE_PORT
from rempart.model.shield import ClassLimits, Limit, ShieldOrders, Thresholds, When

OURS6 = "2001:db8:ed::10"
HOST, NETWORK = "blocked host", "blocked network"
"""Names of ways: IPv4 by its address or its network, IPv6 by its /64 or another network."""
SCATTERED = 1 << 16
"""Sources of a flood from everywhere."""
PLENTY, NEXT_TO_NOTHING = Limit(per_second=1e9, burst=1e9), Limit(per_second=0.01)
COOKIE_KEY = bytes(range(16))
ALLOWED = 4_096
"""Entries of the allow list, which is full."""

_QUIET = ShieldOrders(
    drop_martians=True,
    syn_cookies=When.NEVER,
    dns_challenge=When.NEVER,
    sample_dropped=0,
    dns_slip=0,
    # What passes here are ACKs of no connection, millions of them: each is looked up, none is dropped for it.
    thresholds=Thresholds(ack=1_000_000_000),
)
_ALWAYS = _QUIET.model_copy(update={"syn_cookies": When.ALWAYS, "cookie_timestamps": True})


class Lists(StrEnum):
    """Which lists have anything in them."""

    NONE = "none"
    BLOCKED = "blocked"
    BOTH = "blocked and allowed"


@dataclass(frozen=True, slots=True)
class Way:
    """A way through the program."""

    name: str
    frames: Frames
    reason: Reason
    """How it ends."""
    orders: ShieldOrders = _QUIET
    lists: Lists = Lists.NONE
    rules: int = 0
    """How many rules there are; none matches, but the last when the packet is to be dropped by it."""
    note: str = ""

    @property
    def laid(self) -> bool:
        """Whether frames have to be laid out for each run: there are many, or they are rewritten."""
        return len(self.frames) > 1 or self.reason in (Reason.TX_SYN_COOKIE, Reason.TX_DNS_TRUNCATED)


def ways(blocked: dict[int, Prefixes], now: int) -> Iterator[Way]:
    """All of them, IPv4 and IPv6. ``blocked``: the lists, by version; ``now``: Unix time, for DNS cookies."""
    for version in (4, 6):
        yield from _ways(version, blocked[version], now)


@dataclass(frozen=True, slots=True)
class _Family:
    version: int
    honest: Sources
    """One source that is on no list."""

    def frames(self, body: Body, sources: Sources | None = None) -> Frames:
        ours = IPv4Address(OURS).packed if self.version == 4 else IPv6Address(OURS6).packed
        return frames(body, self.honest if sources is None else sources, ours)


def _ways(version: int, blocked: Prefixes, now: int) -> Iterator[Way]:
    chosen = np.random.default_rng(version)
    honest = blocked.beside(1, chosen)
    family = _Family(version, honest)
    name = f", IPv{version}"
    small = udp(1_024, HTTPS, bytes(18))
    syn = tcp(40_000, HTTPS, SYN, options=LINUX_SYN_OPTIONS)
    ack = tcp(40_000, HTTPS, ACK)
    listed = f"{len(blocked):,} prefixes"

    for kind, hosts in ((HOST, True), (NETWORK, False)):
        of_kind = blocked.only(hosts=hosts)
        for where, count in (("", 1), (", from everywhere", SCATTERED)):
            yield Way(
                f"{kind}{where}{name}",
                family.frames(small, of_kind.inside(count, chosen)),
                Reason.DROP_BLOCKED,
                lists=Lists.BLOCKED,
                note=f"{listed}, {_sources(count)}",
            )
    yield Way(
        f"not blocked{name}",
        family.frames(ack),
        Reason.PASS,
        lists=Lists.BLOCKED,
        note=f"passed; {listed}, {_sources(1)}",
    )
    yield Way(
        f"not blocked, from everywhere{name}",
        family.frames(ack, blocked.beside(SCATTERED, chosen)),
        Reason.PASS,
        lists=Lists.BLOCKED,
        note=f"passed; {listed}, {_sources(SCATTERED)}",
    )
    yield Way(
        f"allowed{name}",
        family.frames(small, allowed(version)[:1]),
        Reason.PASS_ALLOWED,
        lists=Lists.BOTH,
        note=f"allow list of {ALLOWED:,}",
    )
    for rules in (0, 16, 64):
        yield Way(f"passed, {rules} rules{name}", family.frames(ack), Reason.PASS, rules=rules)
    yield Way(
        f"everything, passed{name}",
        family.frames(syn),
        Reason.PASS,
        orders=_limited(_QUIET, PLENTY),
        lists=Lists.BOTH,
        rules=64,
        note="a SYN: both lists, 64 rules, buckets of source and prefix",
    )
    yield Way(
        f"dropped by the 64th rule{name}",
        family.frames(udp(SIGNATURE_PORT, HTTPS, bytes(18))),
        Reason.DROP_RULE,
        rules=64,
    )
    yield Way(f"not served, UDP{name}", family.frames(udp(1_024, CLOSED, bytes(18))), Reason.DROP_NOT_SERVED)
    yield Way(f"not served, TCP{name}", family.frames(tcp(40_000, CLOSED, SYN)), Reason.DROP_NOT_SERVED)
    buckets = (
        ("SYN", syn, Reason.DROP_SOURCE_SYN), ("UDP", small, Reason.DROP_SOURCE_UDP),
        ("ICMP", echo(v6=version == 6), Reason.DROP_SOURCE_ICMP),
    )  # fmt: skip
    for what, body, over in buckets:
        yield Way(
            f"{what} within its limits{name}",
            family.frames(body),
            Reason.PASS,
            orders=_limited(_QUIET, PLENTY),
            note="buckets of source and prefix",
        )
        yield Way(
            f"{what} over its source's limit{name}",
            family.frames(body),
            over,
            orders=_limited(_QUIET, NEXT_TO_NOTHING),
        )
    everywhere = any_sources(SCATTERED, chosen).astype(">u4").view(np.uint8).reshape(-1, 4)
    if version == 4:
        yield Way(
            f"SYN within its limits, from everywhere{name}",
            family.frames(syn, everywhere),
            Reason.PASS,
            orders=_limited(_QUIET, PLENTY),
            note=_sources(SCATTERED),
        )
    yield Way(
        f"SYN answered with a cookie{name}",
        family.frames(syn),
        Reason.TX_SYN_COOKIE,
        orders=_ALWAYS,
        note="Linux's options, answered in the timestamp",
    )
    yield Way(f"ACK without connection{name}", family.frames(ack), Reason.DROP_ACK, orders=_ALWAYS)
    ask = udp(5_353, DNS, query("www.shop.example"))
    yield Way(f"DNS, passed{name}", family.frames(ask), Reason.PASS, orders=_limited(_QUIET, PLENTY))
    yield Way(
        f"DNS, over the limit, truncated{name}",
        family.frames(ask),
        Reason.TX_DNS_TRUNCATED,
        orders=_limited(_QUIET.model_copy(update={"dns_slip": 1}), NEXT_TO_NOTHING),
    )
    yield Way(
        f"DNS, over the limit, dropped{name}",
        family.frames(ask),
        Reason.DROP_DNS_LIMIT,
        orders=_limited(_QUIET, NEXT_TO_NOTHING),
    )
    cookie = udp(5_353, DNS, query("www.shop.example", options=dns_cookie(honest[0].tobytes(), now)))
    yield Way(
        f"DNS, challenged, with a cookie{name}",
        family.frames(cookie),
        Reason.PASS,
        orders=_QUIET.model_copy(update={"dns_challenge": When.ALWAYS, "dns_cookie_key": COOKIE_KEY}),
    )
    yield Way(f"malformed TCP flags{name}", family.frames(tcp(40_000, HTTPS, 0)), Reason.DROP_TCP_FLAGS)
    cut = family.frames(small).copy()
    cut[:, ETHERNET] = 0x4F if version == 4 else 0x50
    yield Way(f"malformed IP header{name}", cut, Reason.DROP_IP)  # fmt: skip


def allowed(version: int) -> Sources:
    """Addresses on the allow list."""
    numbers = np.arange(ALLOWED, dtype=">u4") + (0xC6336400 if version == 4 else 1)
    last = numbers.astype(">u4").view(np.uint8).reshape(-1, 4)
    if version == 4:
        return last
    head = np.frombuffer(IPv6Address("2a00:1450::").packed[:12], np.uint8)
    return np.hstack([np.tile(head, (ALLOWED, 1)), last])


def dns_cookie(source: bytes, now: int) -> bytes:
    """A COOKIE option with a server cookie that holds (RFC 7873, RFC 9018 section 4)."""
    client, fixed = bytes(range(8)), b"\x01\0\0\0" + now.to_bytes(4, "big")
    whole = client + fixed + siphash24(COOKIE_KEY, client + fixed + source)
    return (10).to_bytes(2, "big") + len(whole).to_bytes(2, "big") + whole


def _sources(count: int) -> str:
    return "one source" if count == 1 else f"{count:,} sources"


def _limited(orders: ShieldOrders, limit: Limit) -> ShieldOrders:
    limits = ClassLimits(syn=limit, udp=limit, icmp=limit, dns=limit)
    return orders.model_copy(update={"source": limits, "prefix": limits})
