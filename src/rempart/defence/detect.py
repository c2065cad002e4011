"""Something is wrong: a rate left its profile, or somebody is being harmed. With hysteresis. Pure.

An alarm is no verdict. It begins when for some ticks a rate was a multiple of the usual, or when there is
harm and the rate is at least raised; it ends when for seconds neither held. What then is done follows from
what the traffic has in common: a crowd of readers raises an alarm, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rempart.defence.baseline import Baseline
from rempart.defence.policy import Policy
from rempart.model.attacks import Records, Saturation

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
_FLOOR_OF_HARM = 0.1
"""Of the floor: a harmed origin is looked into from so few requests on."""


class Alarms:
    """For each row of a baseline: is it alarmed, and since when."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._keys: NDArray[np.int64] = np.zeros(0, np.int64)
        self._over = np.zeros(0, np.int64)
        self._under: Floats = np.zeros(0)
        self._busy: Floats = np.zeros(0)
        self.on: Flags = np.zeros(0, bool)

    def judge(self, baseline: Baseline, harmed: Flags, seconds: float, wall: float) -> Flags:
        """Alarms after this tick; ``harmed`` by row."""
        self._follow(baseline.keys)
        policy, usual = self._policy, baseline.usual(wall)
        certain = baseline.certain()
        changed = certain > policy.factor * usual
        # A small site's origin may be harmed by less than what is news elsewhere.
        raised = np.maximum(baseline.level, baseline.floor * _FLOOR_OF_HARM) * policy.harm_rise
        wrong = changed | (harmed & (certain > np.minimum(raised, policy.factor * usual)))
        self._over = np.where(wrong, self._over + 1, 0)
        quiet = (baseline.rate < policy.calm_share * policy.factor * usual) & ~harmed
        self._under = np.where(quiet, self._under + seconds, 0.0)
        self.on = np.where(self.on, self._under < policy.calm_seconds, self._over >= policy.on_ticks)
        return self.on

    def suspicious(self) -> Flags:
        """Rows that are alarmed or about to be: nothing is learnt from them."""
        return np.asarray(self.on | (self._over > 0))

    def busy(self, troubled: Flags, seconds: float) -> Floats:
        """For each row, since how many seconds it is alarmed without being troubled."""
        self._busy = np.where(troubled | ~self.suspicious(), 0.0, self._busy + seconds)
        return self._busy

    def over(self) -> Flags:
        """Rows where something is wrong in this very tick."""
        return np.asarray(self._over > 0)

    def _follow(self, keys: NDArray[np.int64]) -> None:
        if keys is self._keys:
            return
        place = np.searchsorted(self._keys, keys)
        safe = np.minimum(place, max(0, self._keys.size - 1))
        same = (self._keys[safe] == keys) if self._keys.size else np.zeros(keys.size, bool)
        self._over = np.where(same, self._over[safe] if self._keys.size else 0, 0)
        self._busy = np.where(same, self._busy[safe] if self._keys.size else 0.0, 0.0)
        self._under = np.where(same, self._under[safe] if self._keys.size else 0.0, 0.0)
        self.on = np.where(same, self.on[safe] if self._keys.size else False, False)
        self._keys = keys


def harmed_sites(sites: Records, baseline: Baseline, rows: NDArray[np.int64], policy: Policy) -> Flags:
    """By row of the baseline: the origin is being harmed."""
    harmed: Flags = np.zeros(baseline.keys.size, bool)
    usual = np.where(rows >= 0, baseline.latency[rows] if baseline.latency.size else 0.0, 0.0)
    answered = np.maximum(1, sites["requests"])
    of_each = (
        (sites["queue"] >= policy.queue_harm)
        | ((sites["errors"] >= 3) & (sites["errors"] > policy.errors_harm * answered))
        | ((sites["latency"] > policy.latency_harm) & (sites["latency"] > 4 * usual))
    )
    harmed[rows[(rows >= 0) & of_each]] = True
    return harmed


def harms(site: Records | None, saturation: Saturation, policy: Policy) -> tuple[str, ...]:
    """The figures of harm in words, for the evidence. ``site`` is one record of ``SITE``."""
    found = []
    if site is not None:
        if site["queue"] >= policy.queue_harm:
            found.append(f"{int(site['queue'])} requests wait")
        if site["errors"] > policy.errors_harm * max(1, int(site["requests"])):
            found.append(f"{int(site['errors'])} of {int(site['requests'])} answered with an error")
        if site["latency"] > policy.latency_harm:
            found.append(f"the origin takes {float(site['latency']):.1f} s")
    if saturation.link > policy.saturation_harm:
        found.append(f"link at {saturation.link:.0%}")
    if saturation.cpu > policy.saturation_harm:
        found.append(f"processors at {saturation.cpu:.0%}")
    return tuple(found)


def saturated(saturation: Saturation, policy: Policy) -> bool:
    return max(saturation.link, saturation.cpu) > policy.saturation_harm
