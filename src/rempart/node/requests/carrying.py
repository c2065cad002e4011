"""Keeps HAProxy equal to what the loop wants: verdicts, how many requests are looked at, until when. The
rim's half that decides nothing: what is wanted, what was told, and the difference.

HAProxy forgets at each start, and a worker that was reloaded begins empty: another worker, and the first
one that a new process meets, is told everything. What stands is confirmed every second; when nobody
confirms it, it lapses HOLD_S later, long enough for the next process to take over.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from rempart.engines.haproxy import sight
from rempart.engines.haproxy.defending import EdgeDefence
from rempart.model.errors import EngineRefused

HOLD_S = 15
CONFIRM_S = 1.0

Entries = tuple[tuple[str, str], ...]


class Carrying:
    """What HAProxy is to do about requests. Methods raise EnvironmentLacks when it cannot be reached."""

    def __init__(self, edge: EdgeDefence) -> None:
        self._edge = edge
        self._wanted: Entries = ()
        self._released: tuple[str, ...] = ()
        self._told_released: tuple[str, ...] | None = None
        self._every = 1
        self._worker: int | None = None
        self._told: Entries | None = None
        self._told_look: tuple[int, int] | None = None
        self._confirm_due = float("-inf")
        self._log = structlog.get_logger("defence").bind(layer="request")

    def want(self, entries: Sequence[tuple[str, str]] | None = None, every: int | None = None) -> None:
        """From now on; None: as before."""
        if entries is not None:
            self._wanted = tuple(entries)
        if every is not None:
            self._every = every

    def let_through(self, keys: Sequence[str]) -> None:
        """Whom a person has released, from now on (``verdicts.release_keys``)."""
        self._released = tuple(keys)

    @property
    def standing(self) -> Entries:
        """What is to stand."""
        return self._wanted

    def follow(self, worker: int, now: float, wall: float) -> None:
        """Make the worker that answers equal to what is wanted, if it is not."""
        if worker != self._worker:
            self._told, self._told_look, self._confirm_due = None, None, float("-inf")
            # A worker begins with nobody in it; the first one we meet may have some of our predecessor's.
            self._told_released = () if self._worker is not None else None
            self._worker = worker
        if self._wanted and now >= self._confirm_due:
            self._edge.hold_until(int(wall) + HOLD_S)
            self._confirm_due = now + CONFIRM_S
        if self._wanted != self._told:
            self._tell(self._wanted)
        if self._released != self._told_released:
            self._release(self._released)
        look = sight.shares(self._every, standing=bool(self._wanted))
        if look != self._told_look:
            self._edge.look(*look)
            self._told_look = look

    def leave(self) -> None:
        """Nothing stands, and nobody is looked at any more."""
        self._edge.look(0, 0)
        self._edge.enforce(())

    def _release(self, keys: tuple[str, ...]) -> None:
        self._told_released = keys
        try:
            self._edge.release(keys)
        except EngineRefused as error:
            self._log.error("releases refused", reason=str(error))

    def _tell(self, standing: Entries) -> None:
        try:
            self._edge.enforce(standing)
            self._told = standing
        except EngineRefused as error:
            self._told = standing  # what HAProxy refuses once it refuses again
            self._log.error("verdicts refused", reason=str(error))
