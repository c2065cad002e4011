"""What the packet shield remembers from packet to packet, and the arithmetic of its buckets and meters."""

from __future__ import annotations

from dataclasses import dataclass, field

from rempart.engines.shield.layout import Meter, Reason
from rempart.engines.shield.model.hashing import MASK64
from rempart.engines.shield.model.tables import Limit, Prefix

WINDOW = 100_000_000
"""Nanoseconds over which a meter counts."""


@dataclass(slots=True)
class Count:
    """Packets, and the size of their frames, in bytes."""

    packets: int = 0
    size: int = 0

    def add(self, frame: bytes) -> int:
        """Count a frame; the number of packets with it."""
        self.packets += 1
        self.size += len(frame)
        return self.packets


@dataclass(slots=True)
class Rate:
    """One meter: what came since `window`, and until when the measure it triggers stands."""

    window: int = 0
    seen: int = 0
    active_until: int = 0

    def count(self, now: int, threshold: int, hold: int) -> None:
        """One packet more."""
        if (now - self.window) & MASK64 >= WINDOW:
            self.window, self.seen = now, 0
        self.seen += 1
        if self.seen > threshold:
            self.active_until = now + hold


@dataclass(slots=True)
class Proven:
    """A source that returned a cookie, and the bucket of its own SYNs."""

    until: int
    bucket: int = 0


SourceKey = tuple[int, int]
"""An address (or the first 64 bits of one) as a number, and 4 or 6; 16 more for its prefix."""

Cookie = tuple[bytes, int, bytes, int, int]
"""Source, port, destination, port, and `replies.cookie_origin`: what the kernel finds in an ACK again."""


@dataclass(slots=True)
class State:
    """All of it. `decide` changes it in place: it is the one thing here that is not frozen."""

    counters: dict[Reason, Count] = field(default_factory=lambda: {reason: Count() for reason in Reason})
    allowed: dict[tuple[int, Prefix], Count] = field(default_factory=dict)
    blocked: dict[tuple[int, Prefix], Count] = field(default_factory=dict)
    rule_counters: dict[int, Count] = field(default_factory=dict)
    rule_limits: dict[int, int] = field(default_factory=dict)
    source_buckets: dict[int, int] = field(default_factory=dict)
    prefix_buckets: dict[int, int] = field(default_factory=dict)
    proven: dict[SourceKey, Proven] = field(default_factory=dict)
    meters: dict[Meter, Rate] = field(default_factory=lambda: {meter: Rate() for meter in Meter})
    cookies: set[Cookie] = field(default_factory=set)
    """Cookies made so far; the kernel recognises them without remembering them."""


def charged(bucket: int, limit: Limit, now: int) -> int | None:
    """A bucket after one packet more, or None when it is over (GCRA, ITU-T I.371 annex A)."""
    if limit.interval == 0:
        return bucket
    arrival = max(bucket, now)
    if arrival - now > limit.depth - limit.interval:
        return None
    return arrival + limit.interval


def charge_pair(buckets: dict[int, int], pair: tuple[int, int], limit: Limit, now: int) -> bool:
    """Charge the two buckets of a key; False when both are over."""
    if limit.interval == 0:
        return True
    within = False
    for index in set(pair):
        bucket = charged(buckets.get(index, 0), limit, now)
        if bucket is not None:
            buckets[index] = bucket
            within = True
    return within
