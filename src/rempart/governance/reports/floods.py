"""How many reports are taken: from one source, about one site, from everybody. ``(state, event, now) → …``.

Each limit is a leaky bucket (GCRA: one time for each key, the theoretical arrival time of the next). They
answer differently, because a flood of reports is itself a weapon:

* too many from one source are refused;
* too many about one site are taken, and wait for a person: refusing would let whoever floods silence those
  who have something to report, and passing them on would let them bury the site's owner;
* too many in all must each show that they are meant: a proof of work, or a form that was open for a while.

The state is bounded, in memory only, and knows networks, not people; nothing of it is ever stored.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

HOUR_S = 3_600.0
KEYS_MAX = 5_000
HARD = 4
"""So many times what is taken in all, and no more even with proof: what is stored is bounded, too."""
_ALL = "*"
_REST = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """Reports an hour."""

    per_source: int
    per_target: int
    in_all: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody wants to send a report. ``source`` None: a bearer of a token, or the operator."""

    source: str | None
    target: str
    proven: bool = False
    """It was shown to be meant."""


@dataclass(frozen=True, slots=True)
class Floods:
    """When, in monotonic seconds, each key's bucket will have run empty."""

    sources: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    targets: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    whole: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    hard: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Take:
    """It is taken. ``hold``: it waits for a person before anybody is told."""

    hold: bool


@dataclass(frozen=True, slots=True)
class AskProof:
    """It is not taken until it is shown to be meant."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not taken; in ``retry_after_s`` it would be."""

    retry_after_s: float


Instruction = Take | AskProof | Refuse


def admit(state: Floods, limits: Limits, attempt: Attempt, now: float) -> tuple[Floods, Instruction]:
    """What becomes of ``attempt``. What is not taken counts nowhere."""
    sources, wait = state.sources, 0.0
    if attempt.source is not None:
        sources, wait = _drop(state.sources, attempt.source, limits.per_source, now)
    if wait:
        return state, Refuse(wait)
    hard, wait = _drop(state.hard, _ALL, limits.in_all * HARD, now)
    if wait:
        return state, Refuse(wait)
    whole, wait = _drop(state.whole, _ALL, limits.in_all, now)
    if wait and not attempt.proven and attempt.source is not None:
        return state, AskProof()
    targets, crowded = _drop(state.targets, attempt.target, limits.per_target, now)
    return Floods(sources, targets, whole, hard), Take(hold=bool(crowded))


def source_of(address: str | None) -> str | None:
    """What a stranger is counted by, shortened: an IPv4 /24, an IPv6 /56. None stays None."""
    if address is None:
        return None
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return _REST
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    length = 24 if found.version == 4 else 56
    return str(ipaddress.ip_network((found, length), strict=False))


def _drop(
    buckets: Mapping[str, float], key: str, limit: int, now: float
) -> tuple[Mapping[str, float], float]:
    """The buckets with one drop more in ``key``'s, or as they were with the seconds until it would fit."""
    if key not in buckets and len(buckets) >= KEYS_MAX:
        buckets = {one: until for one, until in buckets.items() if until > now}
        if len(buckets) >= KEYS_MAX:
            key = _REST  # strangers beyond what is remembered share one
    until = max(buckets.get(key, now), now) + HOUR_S / limit
    # A little room: the sum of the shares of an hour is not exactly one.
    if until - now > HOUR_S * (1 + 1e-9):
        return buckets, until - now - HOUR_S
    return {**buckets, key: until}, 0.0
