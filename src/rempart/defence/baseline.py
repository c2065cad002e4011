"""What is usual: for each key (a site, a service of packets) the upper quantile of its rate, learnt slowly.

The quantile is followed by stochastic approximation (Robbins and Monro 1951; for quantiles of streams Chen,
Lambert and Pinheiro 2000): up a step when a rate lies above, down a smaller one when below, in proportion to
the level, so that it decays by itself and needs eight octets a key. Below ``floor`` nothing is usual, and the
level never grows by more than ``growth_per_hour`` in an hour: who drifts slowly, or was there first, teaches
it no faster. The same for each of the week's 168 hours, where they have been seen. Rows are arrays, so that a
tick over 10,000 sites is a few operations of numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILE = 0.9
RATE = 0.05
"""Share of the level that it moves in a second; at 0.9 it grows by half in nine seconds, shrinks by half in
140."""
DEVIATIONS = 3.0
HOURS = 168
_HOUR = 3_600.0
_SMOOTHING = 0.5
"""Of the rate that is compared: half of this tick's, half of before."""

Floats = NDArray[np.float64]
Keys = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Baseline:
    """Rows of keys: rate now (smoothed), its usual level, the usual latency."""

    def __init__(self, floor: float, growth_per_hour: float, capacity: int) -> None:
        self.floor = floor
        self.growth = growth_per_hour
        self.capacity = capacity
        self.keys: Keys = np.zeros(0, np.int64)
        self.rate: Floats = np.zeros(0)
        self.level: Floats = np.zeros(0)
        self.latency: Floats = np.zeros(0)
        self.known: Floats = np.zeros(0)
        """Seconds for which each was learnt."""
        self._variance: Floats = np.zeros(0)
        self._ceiling: Floats = np.zeros(0)
        self._hours: NDArray[np.float32] = np.zeros((0, HOURS), np.float32)
        self._hour_since = -1e18

    def rows(self, keys: Keys) -> NDArray[np.int64]:
        """The rows of ``keys`` (each once), which are made when there is room; -1 where there was none."""
        place = np.searchsorted(self.keys, keys)
        known = np.zeros(keys.size, bool)
        inside = place < self.keys.size
        known[inside] = self.keys[place[inside]] == keys[inside]
        if not known.all():
            new = np.sort(keys[~known])
            self._make_room(new.size)
            new = new[: self.capacity - self.keys.size]
            if new.size:
                self._insert(new)
            place = np.searchsorted(self.keys, keys)
            known = np.zeros(keys.size, bool)
            inside = place < self.keys.size
            known[inside] = self.keys[place[inside]] == keys[inside]
        return np.where(known, place, -1)

    def observe(self, rows: NDArray[np.int64], rates: Floats, variances: Floats | None = None) -> None:
        """Rates of this tick, and their variances where they were estimated from samples; keys that are not
        named had nothing."""
        now, variance = np.zeros(self.keys.size), np.zeros(self.keys.size)
        present = rows >= 0
        now[rows[present]] = rates[present]
        if variances is not None:
            variance[rows[present]] = variances[present]
        self.rate += (now - self.rate) * _SMOOTHING
        self._variance = (1 - _SMOOTHING) ** 2 * self._variance + _SMOOTHING**2 * variance

    def certain(self) -> Floats:
        """What the rates are at least, as far as samples tell: few that stand for many are no news."""
        return self.rate - DEVIATIONS * np.sqrt(self._variance)

    def usual(self, wall: float) -> Floats:
        """The usual upper rate of each row at this time of the week."""
        return np.maximum(np.maximum(self.level, self._hours[:, _hour(wall)]), self.floor)

    def learn(self, allowed: Flags, seconds: float, now: float, wall: float) -> None:
        """Move the levels of the rows that are calm."""
        if now - self._hour_since >= _HOUR:
            self._hour_since = now
            # What may be reached until the next hour.
            self._ceiling = np.maximum(self.level, self.floor) * self.growth
        step = RATE * seconds
        above = self.rate > self.level
        moved = self.level * np.where(above, 1 + step * QUANTILE, 1 - step * (1 - QUANTILE))
        moved = np.where(above, np.minimum(moved, np.maximum(self.rate, self.level)), moved)
        moved = np.minimum(np.maximum(moved, 1.0), self._ceiling)
        self.level = np.where(allowed, moved, self.level)
        self.known += np.where(allowed, seconds, 0.0)
        hour = _hour(wall)
        before = self._hours[:, hour]
        # An hour's memory follows the level at a pace of minutes, and is under the same ceiling.
        self._hours[:, hour] = np.where(
            allowed, before + (self.level - before) * min(1.0, seconds / 600), before
        )

    def learn_latency(self, rows: NDArray[np.int64], seconds: NDArray[np.float32], calm: Flags) -> None:
        """Latencies of calm sites; 0 is none."""
        good = (rows >= 0) & (seconds > 0)
        chosen = rows[good]
        keep = calm[chosen]
        chosen, values = chosen[keep], seconds[good][keep].astype(np.float64)
        old = self.latency[chosen]
        first = old == 0
        self.latency[chosen] = np.where(
            first, np.minimum(values, 0.5), old * np.where(values > old, 1.01, 0.99)
        )

    def kept(self, now: float) -> dict[str, NDArray[Any]]:
        """All that is learnt, as arrays (see ``learnt``)."""
        return {
            "keys": self.keys.copy(),
            "level": self.level.copy(),
            "ceiling": self._ceiling.copy(),
            "latency": self.latency.copy(),
            "known": self.known.copy(),
            "hours": self._hours.copy(),
            # Before anything was learnt an hour is as good as over.
            "hour_age": np.array([min(_HOUR, max(0.0, now - self._hour_since))]),
        }

    def recall(
        self, keys: Keys, floats: Mapping[str, Floats], hours: NDArray[np.float32], hour_since: float
    ) -> None:
        """Take over what was kept. ``hour_since``: when what may be reached in an hour was last laid down."""
        rows = self.rows(keys)
        present = rows >= 0
        chosen = rows[present]
        self.level[chosen] = floats["level"][present]
        self._ceiling[chosen] = floats["ceiling"][present]
        self.latency[chosen] = floats["latency"][present]
        self.known[chosen] = floats["known"][present]
        self._hours[chosen] = hours[present]
        self._hour_since = hour_since

    def _insert(self, new: Keys) -> None:
        places = np.searchsorted(self.keys, new)
        self.keys = np.insert(self.keys, places, new)
        self.rate = np.insert(self.rate, places, 0.0)
        self.level = np.insert(self.level, places, self.floor / self.growth)
        self.latency = np.insert(self.latency, places, 0.0)
        self.known = np.insert(self.known, places, 0.0)
        self._variance = np.insert(self._variance, places, 0.0)
        self._ceiling = np.insert(self._ceiling, places, self.floor * self.growth)
        self._hours = np.insert(self._hours, places, np.float32(0), axis=0)

    def _make_room(self, wanted: int) -> None:
        """Take out the rows that had least, when there is no room; never one that has something now."""
        missing = self.keys.size + wanted - self.capacity
        if missing <= 0:
            return
        idle = np.flatnonzero(self.rate < 1e-3)
        out = idle[np.argsort(self.level[idle], kind="stable")][:missing]
        keep = np.ones(self.keys.size, bool)
        keep[out] = False
        self.keys, self.rate, self.level = self.keys[keep], self.rate[keep], self.level[keep]
        self._variance, self.known = self._variance[keep], self.known[keep]
        self.latency, self._ceiling, self._hours = self.latency[keep], self._ceiling[keep], self._hours[keep]


def _hour(wall: float) -> int:
    return int(wall // _HOUR) % HOURS
