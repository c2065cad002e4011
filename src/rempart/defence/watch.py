"""One layer under watch: its profile, its alarms, its good records, the last second of what came. Pure."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rempart.defence.baseline import Baseline
from rempart.defence.detect import Alarms, Flags
from rempart.defence.policy import Policy
from rempart.defence.reservoir import Reservoir
from rempart.model.attacks import Layer, Records

Keys = NDArray[np.int64]
Clients = NDArray[np.uint64]
_TICKS_MOST = 32
_NOTICED = 0.3
"""Seconds from an attack's first record until somebody is suspected: rates are smoothed, and an alarm
takes two ticks."""
_ONSET = 1.0
"""What came in so many seconds before is no fair sample of what was usual."""
_WORSE = 1.5
"""So many times as bad as at the last look is worth one out of turn."""


class Watch:
    """What is known of packets, or of requests. Keys are sites, or services of packets."""

    def __init__(
        self,
        layer: Layer,
        dtype: np.dtype,
        floor: float,
        capacity: int,
        policy: Policy,
        seed: int,
    ) -> None:
        self.layer = layer
        self.baseline = Baseline(floor, policy.growth_per_hour, capacity)
        self.alarms = Alarms(policy)
        self.reservoir = Reservoir(dtype, policy, seed)
        self._policy = policy
        self._window: deque[tuple[float, Records, Keys]] = deque(maxlen=_TICKS_MOST)
        self._stopped: deque[tuple[float, Records]] = deque(maxlen=_TICKS_MOST)
        self._since: dict[int, float] = {}
        self._next_look: dict[int, tuple[float, float, float]] = {}
        """Key → when, how long that is after the last look, and how bad it was then."""
        self.harmed: Flags = np.zeros(0, bool)
        self._dtype = dtype

    def observe(
        self,
        rows: Keys,
        rates: NDArray[np.float64],
        variances: NDArray[np.float64] | None,
        harmed: Flags,
        standing: set[int],
        seconds: float,
        now: float,
        wall: float,
    ) -> None:
        """Rates (and their variances, if sampled) and harm of this tick, by row. ``standing``: keys that
        something stands for; they are not learnt."""
        self.baseline.observe(rows, rates, variances)
        self.harmed = harmed
        self.alarms.judge(self.baseline, harmed, seconds, wall)
        suspicious = self.alarms.suspicious()
        keys = self.baseline.keys
        standing_rows = np.isin(keys, np.fromiter(standing, np.int64, len(standing)))
        # A rate that is news, harms nobody and gave nothing to act on is news only for a while.
        busy = self.alarms.busy(harmed | standing_rows, seconds) >= self._policy.busy_seconds
        allowed = (~suspicious | busy) & ~standing_rows
        self.allowed = allowed
        self.baseline.learn(allowed, seconds, now, wall)
        suspects = {int(one) for one in keys[suspicious]}
        for key in suspects - self._since.keys():
            self._since[key] = now - seconds
        for key in self._since.keys() - suspects:
            del self._since[key]
            self._next_look.pop(key, None)
        spoiling = keys[suspicious & ~busy]
        if spoiling.size:
            self.reservoir.spoil(spoiling)

    def take(
        self, records: Records, keys: Keys, clients: Clients, through: Flags, seconds: float, now: float
    ) -> None:
        """Records of this tick; ``through``: nothing stopped them."""
        every = bool(through.all())
        passed = (records, keys) if every else (records[through], keys[through])
        self._window.append((now, *passed))
        self._stopped.append((now, records[:0] if every else records[~through]))
        while self._window and now - self._window[0][0] > self._policy.window_seconds:
            self._window.popleft()
            self._stopped.popleft()
        calm = self.baseline.keys[self.allowed]
        # Good ones that were stopped count above all: by them what stopped them is tried again.
        offered = records["good"] | (through & np.isin(keys, calm))
        if not offered.all():
            records, keys, clients = records[offered], keys[offered], clients[offered]
        self.reservoir.offer(records, keys, clients, seconds, now)

    def to_look_into(self, wall: float, now: float) -> list[int]:
        """Alarmed keys, the worst first, not more than a tick can bear."""
        on = np.flatnonzero(self.alarms.on)
        if not on.size:
            return []
        excess = self.baseline.rate[on] / self.baseline.usual(wall)[on] + 10.0 * self.harmed[on]
        ranked = self.baseline.keys[on[np.argsort(-excess, kind="stable")]]
        score = dict(zip(self.baseline.keys[on].tolist(), excess.tolist(), strict=True))
        chosen: list[int] = []
        for key in ranked.tolist():
            at, pause, before = self._next_look.get(key, (now, self._policy.look_every, 0.0))
            worse = float(score[key]) >= _WORSE * before
            if now >= at - 1e-6 or (worse and now >= at - pause + self._policy.look_every - 1e-6):
                chosen.append(key)
                # Where nothing was found, the next look is twice as far, unless it gets worse.
                pause = self._policy.look_every if worse else min(2 * pause, self._policy.look_most)
                self._next_look[key] = (now + pause, pause, float(score[key]))
            if len(chosen) >= self._policy.keys_per_tick:
                break
        return chosen

    def recent(self, key: int, seconds: float, now: float) -> tuple[Records, float]:
        """What came for ``key`` since the attack began, as far as can be told, and in how many seconds."""
        since = self._since.get(key, now - seconds) - _NOTICED
        parts = [records[keys == key] for at, records, keys in self._window if at > since + 1e-9]
        if not parts:
            return np.zeros(0, self._dtype), seconds
        first = min(at for at, _, _ in self._window if at > since + 1e-9)
        return np.concatenate(parts), now - first + seconds

    def stopped(self, mitigation: int) -> Records:
        """Requests of the last second that this one has stopped."""
        parts = [records[records["mitigation"] == mitigation] for _, records in self._stopped]
        return np.concatenate([np.zeros(0, self._dtype), *parts])

    def before(self, key: int, least: int) -> tuple[Records, float]:
        """The last that came for ``key`` before it was suspected, and their rate (``Reservoir.spoilt``);
        of long enough before, if those are ``least``."""
        since = self._since.get(key, float("inf"))
        found = self.reservoir.spoilt(key, since - _ONSET)
        return found if found[0].size >= least else self.reservoir.spoilt(key, since)

    def found(self, key: int, now: float) -> None:
        """Something was: the next look is soon."""
        every = self._policy.look_every
        self._next_look[key] = (now + every, every, self._next_look.get(key, (0.0, 0.0, 0.0))[2])

    def again(self, key: int, now: float) -> None:
        """There was too little to look at yet: that was no look."""
        self._next_look[key] = (now, self._policy.look_every, 0.0)

    def row(self, key: int) -> int:
        return int(np.searchsorted(self.baseline.keys, key))

    def wrong(self) -> list[int]:
        """Keys that too much still gets through to."""
        return [int(one) for one in self.baseline.keys[self.alarms.over()]]
