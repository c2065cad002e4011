"""What ``rempart shield`` prints with ``--json``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from rempart.model.base import Value
from rempart.node.shield.by_hand import Listing, Put, Taken, Takes
from rempart.node.shield.state import InterfaceView, ListSizes, ReasonCount, SampledSource


class ListingView(Value):
    """One entry of a list."""

    prefix: str
    until: datetime | None
    """None: it does not expire."""
    reason: str
    packets: int
    bytes: int
    configured: bool
    """It stands in ``shield.allow`` of the configuration."""

    @classmethod
    def of(cls, one: Listing) -> Self:
        return cls(
            prefix=str(one.network),
            until=datetime.fromtimestamp(one.until / 1e9, UTC) if one.until else None,
            reason=one.reason,
            packets=one.packets,
            bytes=one.bytes,
            configured=one.configured,
        )


class PutView(Value):
    """Prefixes were put on a list."""

    entries: int
    live: bool
    """The kernel has them, and was asked whether it has."""
    spared: tuple[str, ...]
    """Allowed prefixes inside of blocked ones."""

    @classmethod
    def of(cls, done: Put) -> Self:
        return cls(entries=done.entries, live=done.live, spared=tuple(map(str, done.spared)))


class TakenView(Value):
    """A prefix was taken off a list."""

    prefix: str
    was_listed: bool
    live: bool
    covered_by: tuple[str, ...]
    """What holds for it still, the longest first."""

    @classmethod
    def of(cls, one: Taken) -> Self:
        return cls(
            prefix=str(one.network),
            was_listed=one.was_listed,
            live=one.live,
            covered_by=tuple(str(around.network) for around in one.covered_by),
        )


class TakesView(Value):
    """Prefixes were taken off a list."""

    removed: int
    live: bool
    each: tuple[TakenView, ...]
    """Every one; of more than a thousand, some."""

    @classmethod
    def of(cls, done: Takes) -> Self:
        return cls(removed=done.removed, live=done.live, each=tuple(map(TakenView.of, done.each)))


class RuleView(Value):
    """A rule that is in the kernel."""

    id: int
    mitigation: str = ""
    """Of the defence loop's rules, its mitigation; empty of the operator's."""
    action: str
    note: str
    packets: int
    bytes: int
    packets_per_second: float = 0.0


class ShieldView(Value):
    """``rempart shield status``."""

    on: bool
    """Every interface that shall be guarded is."""
    watched: bool
    """The part's process runs and looks after it."""
    reason: str
    interfaces: tuple[InterfaceView, ...]
    counts: tuple[ReasonCount, ...]
    lists: ListSizes
    syn_cookies: bool
    dns_challenge: bool
    lost_samples: int
    lost_captures: int


class TopView(Value):
    """``rempart shield top --json``."""

    reasons: tuple[ReasonCount, ...]
    rules: tuple[RuleView, ...]
    blocked: tuple[ListingView, ...]
    """The entries of the block list that have dropped the most since they were put on it."""
    sources: tuple[SampledSource, ...]
    """Estimated from samples of the last seconds."""
