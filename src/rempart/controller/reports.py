"""What nodes last said about themselves, in memory: who is connected, who lags, what engines refused.

Reports come in over the feed (`feed_api`); the admin API reads them here, or waits here until all
connected nodes have followed to a revision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from rempart.controller.bell import Bell
from rempart.model.base import Value
from rempart.model.errors import InvalidInput
from rempart.snapshot.feed import NodeReport

CONNECTED_FOR = timedelta(seconds=90)
"""A node that was not heard of for so long counts as gone."""
NODES_MAX = 1_000


class Lag(Value):
    """A connected node that has not followed yet."""

    node: str
    revision: int
    pending: tuple[str, ...] = ()
    """Engines of it that still have something to do or do not answer."""


class ItemRefusal(Value):
    """An item that an engine of a node did not take, in the engine's words."""

    node: str
    engine: str
    key: str
    reason: str


class Reach(Value):
    """How far a revision has come."""

    revision: int
    live: bool
    """Every connected node has followed, and there is at least one."""
    nodes: int
    """Connected nodes."""
    waited_ms: int = 0
    lagging: tuple[Lag, ...] = ()
    refusals: tuple[ItemRefusal, ...] = ()
    """Refusals of the items that were touched."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One report and when it came in (our clock, not the node's)."""

    report: NodeReport
    at: datetime


def reach(heard: Collection[NodeReport], revision: int, keys: Collection[str], waited_ms: int = 0) -> Reach:
    """How far ``revision``, which touched the items ``keys``, has come among the nodes ``heard``. Pure."""
    touched = frozenset(keys)
    lagging = tuple(
        Lag(node=report.node, revision=report.revision, pending=_unfinished(report))
        for report in heard
        if report.revision < revision
    )
    refusals = tuple(
        ItemRefusal(node=report.node, engine=engine.name, key=key, reason=reason)
        for report in heard
        for engine in report.engines
        for key, reason in engine.refusals
        if key in touched
    )
    return Reach(
        revision=revision,
        live=bool(heard) and not lagging,
        nodes=len(heard),
        waited_ms=waited_ms,
        lagging=lagging,
        refusals=refusals,
    )


def _unfinished(report: NodeReport) -> tuple[str, ...]:
    return tuple(engine.name for engine in report.engines if engine.pending or not engine.alive)


class NodeReports:
    """The last report of every node. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[str, Heard] = {}
        self.bell = Bell()
        """Rings at every report."""

    def put(self, report: NodeReport) -> None:
        """Remember ``report`` in place of its node's last one. InvalidInput when there are too many nodes."""
        now = self._clock()
        with self._lock:
            for name in [name for name, one in self._heard.items() if now - one.at > CONNECTED_FOR]:
                del self._heard[name]
            if report.node not in self._heard and len(self._heard) >= NODES_MAX:
                raise InvalidInput(f"more than {NODES_MAX} nodes report", field="node")
            self._heard[report.node] = Heard(report, now)
        self.bell.ring()

    def connected(self) -> tuple[Heard, ...]:
        """The nodes heard of lately, by name."""
        oldest = self._clock() - CONNECTED_FOR
        with self._lock:
            heard = [one for one in self._heard.values() if one.at >= oldest]
        return tuple(sorted(heard, key=lambda one: one.report.node))

    async def until(
        self, revision: int, keys: Collection[str], seconds: float, monotonic: Callable[[], float]
    ) -> Reach:
        """Wait until all connected nodes have reached ``revision``, or ``seconds`` have passed."""
        began = monotonic()
        while True:
            ticket = self.bell.ticket()
            waited = monotonic() - began
            state = reach([one.report for one in self.connected()], revision, keys, round(waited * 1000))
            if state.live or waited >= seconds:
                self.bell.drop(ticket)
                return state
            # A node that dies while we wait sends nothing: look again every second.
            await self.bell.heard(ticket, min(1.0, seconds - waited))
