"""How many requests are taken: so many from a token in five minutes, so many from an address in a second.

Windows are fixed, as Cloudflare's are; memory is bounded. Time is an argument.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

KEYS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a request met. ``reset`` is in seconds from now."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


class FixedWindows:
    """Counts requests by key. Not safe between threads; the event loop owns it."""

    def __init__(self, limit: int, window_s: float, keys_max: int = KEYS_MAX) -> None:
        """``limit`` 0: everything is taken."""
        self._limit = limit
        self._window = window_s
        self._keys_max = keys_max
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()  # by start, oldest first

    def take(self, key: str, now: float) -> Allowance:
        """Count one request of ``key`` at ``now`` (monotonic seconds). Refused ones prolong nothing."""
        while self._counts:
            first, (start, _) = next(iter(self._counts.items()))
            if now - start < self._window:
                break
            del self._counts[first]
        if key not in self._counts and len(self._counts) >= self._keys_max:
            key = ""  # strangers beyond what is remembered share one window
        start, count = self._counts.get(key, (now, 0))
        reset = max(1, math.ceil(start + self._window - now))
        if self._limit and count >= self._limit:
            return Allowance(False, self._limit, 0, reset)
        self._counts[key] = (start, count + 1)
        return Allowance(True, self._limit, max(0, self._limit - count - 1), reset)

    def __len__(self) -> int:
        return len(self._counts)


def prefix_of(address: str) -> str:
    """What one client is counted by: an IPv4 address, an IPv6 /64."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
