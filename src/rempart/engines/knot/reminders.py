"""Zones of which secondaries are to be told once more. Pure.

Knot 3.2 sends each NOTIFY once, over TCP, and gives up after five seconds: a secondary that was busy or
away for that long would learn of the change only when the zone's SOA refresh is over, hours later. RFC 1996
section 3.6 asks for repetition. A secondary that has the serial already answers and does nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

DELAYS_S = (8.0, 30.0, 120.0, 600.0)
"""Seconds from one telling to the next; afterwards the SOA refresh is near enough."""
AT_ONCE_MAX = 200
"""After a change of very many zones, so many are told again at a time."""


class Reminders:
    """Which zones are due for another NOTIFY. Holds as many entries as there are zones, at most."""

    def __init__(self, delays: tuple[float, ...] = DELAYS_S) -> None:
        self._delays = delays
        self._due: dict[str, tuple[float, int]] = {}

    def changed(self, zones: Iterable[str], now: float) -> None:
        """``zones`` have just changed, and Knot has notified of them once."""
        for zone in zones:
            self._due[zone] = (now + self._delays[0], 0)

    def take(self, now: float) -> tuple[str, ...]:
        """The zones to notify of now, longest due first, AT_ONCE_MAX at most; each is due again later."""
        due = ((at, zone) for zone, (at, _) in self._due.items() if at <= now)
        zones = tuple(zone for _, zone in heapq.nsmallest(AT_ONCE_MAX, due))
        for zone in zones:
            _, told = self._due.pop(zone)
            if told + 1 < len(self._delays):
                self._due[zone] = (now + self._delays[told + 1], told + 1)
        return zones
