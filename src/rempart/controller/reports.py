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
from rempart.snapshot.feed import EngineState, NodeReport, concerned

CONNECTED_FOR = timedelta(seconds=90)
"""A node that was not heard of for so long counts as gone."""
SILENT_S = 3.0
"""How long a change is waited for when nothing but engines that do not answer stands in its way."""


class Lag(Value):
    """A connected node that has not followed yet."""

    node: str
    revision: int
    pending: tuple[str, ...] = ()
    """Engines of it that still have something to do or do not answer."""
    silent: tuple[str, ...] = ()
    """Those of them that do not answer."""


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
    """Every connected node has followed, and there is at least one: the engines that the change concerns
    answer and have confirmed it."""
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


def reach(
    heard: Collection[NodeReport],
    revision: int,
    keys: Collection[str],
    waited_ms: int = 0,
    *,
    epoch: str = "",
) -> Reach:
    """How far ``revision``, which touched the items ``keys``, has come among the nodes ``heard``. Pure.

    ``epoch`` is the store's now: what a node says of another one is about another history.
    """
    touched = frozenset(keys)
    lagging = tuple(lag for report in heard if (lag := _lag(report, revision, touched, epoch)) is not None)
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


def _lag(report: NodeReport, revision: int, touched: frozenset[str], epoch: str) -> Lag | None:
    """What of ``report``'s node has not followed; None when all has that ``touched`` concerns (none: all)."""
    if report.epoch and report.epoch != epoch:
        return Lag(node=report.node, revision=0, pending=tuple(one.name for one in report.engines))
    awaited = [one for one in report.engines if concerned(one.name, touched)] or report.engines
    late = [one for one in awaited if not one.alive or _followed(one, report) < revision]
    if not late and (awaited or report.revision >= revision):
        return None
    return Lag(
        node=report.node,
        revision=min((_followed(one, report) for one in late), default=report.revision),
        pending=tuple(one.name for one in late),
        silent=tuple(one.name for one in late if not one.alive),
    )


def _followed(engine: EngineState, report: NodeReport) -> int:
    return report.revision if engine.revision is None else engine.revision


def _only_silence(state: Reach) -> bool:
    return bool(state.lagging) and all(lag.silent and lag.silent == lag.pending for lag in state.lagging)


class NodeReports:
    """The last report of every node. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], datetime], nodes: Collection[str]) -> None:
        """``nodes``: the names of those that there are. One that was taken over must not invent others."""
        self._clock = clock
        self._nodes = frozenset(nodes)
        self._lock = threading.Lock()
        self._heard: dict[str, Heard] = {}
        self.bell = Bell()
        """Rings at every report."""

    def put(self, report: NodeReport) -> None:
        """Remember ``report`` in place of its node's last one. InvalidInput when there is no such node."""
        if report.node not in self._nodes:
            raise InvalidInput("this controller has no node of that name", field="node", hint="see node_name")
        now = self._clock()
        with self._lock:
            self._heard[report.node] = Heard(report, now)
        self.bell.ring()

    def connected(self) -> tuple[Heard, ...]:
        """The nodes heard of lately, by name."""
        oldest = self._clock() - CONNECTED_FOR
        with self._lock:
            heard = [one for one in self._heard.values() if one.at >= oldest]
        return tuple(sorted(heard, key=lambda one: one.report.node))

    async def until(
        self,
        revision: int,
        keys: Collection[str],
        seconds: float,
        monotonic: Callable[[], float],
        *,
        epoch: str = "",
    ) -> Reach:
        """Wait until all connected nodes have reached ``revision``, or ``seconds`` have passed.

        An engine that does not answer is given SILENT_S, in which one that died would be back.
        """
        began = monotonic()
        while True:
            ticket = self.bell.ticket()
            waited = monotonic() - began
            state = reach(
                [one.report for one in self.connected()], revision, keys, round(waited * 1000), epoch=epoch
            )
            if state.live or waited >= (min(seconds, SILENT_S) if _only_silence(state) else seconds):
                self.bell.drop(ticket)
                return state
            # A node that dies while we wait sends nothing: look again every second.
            await self.bell.heard(ticket, min(1.0, seconds - waited))
