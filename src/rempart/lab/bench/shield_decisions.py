"""What ``rempart bench shield`` has contenders decide about floods, and the floods. Pure.

Every flood is one that the decision is made for: each packet of it should end there.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Address

import numpy as np

from rempart.lab.attacks.packets import Frames, any_sources
from rempart.lab.bench.shield_frames import (
    LINUX_SYN_OPTIONS,
    SYN,
    Body,
    Sources,
    frames,
    query,
    tcp,
    udp,
)
from rempart.lab.bench.shield_prefixes import Prefixes

OURS, GATEWAY = "203.0.113.10", "203.0.113.1"
"""The filter's address, and the generator's."""
DNS, HTTPS, CLOSED = 53, 443, 9_999
"""Ports: of the name server, of the web server, and one that nobody serves."""
RATE, BURST = 1, 5
"""What a source may send: packets a minute, and so many at once. Next to nothing: a flood is dropped."""
FRAMES = 1 << 16
"""Different packets of a flood; then they come again."""
SOURCES = 4_096
"""Sources of a flood that limits by source are for: each is above its limit at once."""


class Decision(StrEnum):
    """What a filter finds about each packet of a flood."""

    BLOCKED = "a source on the block list"
    NOT_SERVED = "a TCP port that is not served"
    NOT_SERVED_UDP = "a UDP port that is not served"
    SYN_LIMIT = "SYNs above a source's limit"
    UDP_LIMIT = "UDP above a source's limit"
    DNS_LIMIT = "DNS queries above a network's limit"
    SYN_COOKIE = "SYNs answered with cookies"

    @property
    def answers(self) -> bool:
        """Whether each packet is answered, not dropped."""
        return self is Decision.SYN_COOKIE

    @property
    def allowed(self) -> int:
        """Packets of a flood that get through in the minute in which it begins, because everybody may send
        something."""
        return SOURCES * (BURST + RATE) if self in _LIMITS else 0

    @property
    def ended(self) -> str:
        """What should have become of each packet."""
        return "answered" if self.answers else "dropped"


_LIMITS = frozenset({Decision.SYN_LIMIT, Decision.UDP_LIMIT, Decision.DNS_LIMIT})


def flood(decision: Decision, blocked: Prefixes, hardware: bytes, seed: int) -> Frames:
    """The packets, IPv4. ``hardware``: Ethernet's destination and source."""
    chosen = np.random.default_rng(seed)
    ports = chosen.integers(1_024, 65_536, FRAMES, dtype=np.uint32)
    return frames(
        body(decision),
        sources(decision, blocked, chosen),
        IPv4Address(OURS).packed,
        hardware=hardware,
        source_ports=ports,
    )


def body(decision: Decision) -> Body:
    match decision:
        case Decision.SYN_LIMIT | Decision.SYN_COOKIE:
            return tcp(1_024, HTTPS, SYN, options=LINUX_SYN_OPTIONS)
        case Decision.NOT_SERVED:
            return tcp(1_024, CLOSED, SYN, options=LINUX_SYN_OPTIONS)
        case Decision.UDP_LIMIT:
            return udp(1_024, HTTPS, bytes(18))
        case Decision.DNS_LIMIT:
            return udp(1_024, DNS, query("www.shop.example"))
        case _:
            return udp(1_024, CLOSED, bytes(18))


def sources(decision: Decision, blocked: Prefixes, chosen: np.random.Generator) -> Sources:
    if decision is Decision.BLOCKED:
        return blocked.inside(FRAMES, chosen)
    numbers = any_sources(SOURCES if decision in _LIMITS else FRAMES, chosen)
    octets: Sources = np.tile(numbers, FRAMES // len(numbers)).astype(">u4").view(np.uint8).reshape(-1, 4)
    return octets
