"""Known-good records: what a signature is tried against, and what an attack is compared with.

A record that was seen in calm waits in quarantine and is forgotten when an attack begins meanwhile; one that
comes with a proof (a clearance, a standing connection) waits as well but survives. No site or class has more
than its share, no client more than a few, so nobody can fill it with what should later pass. Bounded, and
chance is seeded.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from rempart.defence.policy import Policy
from rempart.model.attacks import Records

Keys = NDArray[np.int64]
_BATCHES = 256
_SPOILT = 2_048
_FULL_MOST = 64
"""Strata that have their share at once; there is room for a few only."""


class Reservoir:
    """At most ``policy.reservoir`` records, each with the key of its stratum and its client."""

    def __init__(self, dtype: np.dtype, policy: Policy, seed: int) -> None:
        self._policy = policy
        self.dtype = dtype
        self._records = np.zeros(policy.reservoir, dtype)
        self._keys: Keys = np.zeros(policy.reservoir, np.int64)
        self._clients: NDArray[np.uint64] = np.zeros(policy.reservoir, np.uint64)
        self._waiting: deque[tuple[float, Records, Keys, NDArray[np.uint64], NDArray[np.bool_]]] = deque()
        self._spoilt = (np.zeros(0, dtype), np.zeros(0, np.int64), np.zeros(0))
        """Records, keys, and when they came."""
        self._chance = np.random.default_rng(seed)
        self._credit = 0.0
        self._renewal: dict[int, tuple[float, float]] = {}
        """Stratum that has its share → how many of it may be renewed, as of when."""
        self.size = 0

    def recall(self, records: Records, keys: Keys, share: float) -> None:
        """Begin with ``share`` of these. Of their clients nothing is known."""
        many = min(self._policy.reservoir, int(records.size * min(1.0, share)))
        chosen = self._chance.choice(records.size, many, replace=False) if many else np.zeros(0, np.int64)
        self.size = many
        self._put(np.arange(many), chosen, records, keys, np.zeros(records.size, np.uint64))

    def records(self) -> Records:
        return self._records[: self.size]

    def keys(self) -> Keys:
        return self._keys[: self.size]

    def offer(
        self,
        records: Records,
        keys: Keys,
        clients: NDArray[np.uint64],
        seconds: float,
        now: float,
    ) -> None:
        """Records of this tick; some of them begin to wait. ``records["good"]`` have a proof."""
        self._credit = min(
            self._policy.admitted_per_second, self._credit + self._policy.admitted_per_second * seconds
        )
        many = min(records.size, int(self._credit))
        if many and len(self._waiting) < _BATCHES:
            self._credit -= many
            chosen = (
                np.arange(many)
                if many == records.size
                else self._chance.choice(records.size, many, replace=False)
            )
            proven = records["good"][chosen].copy()
            self._waiting.append((now, records[chosen], keys[chosen], clients[chosen], proven))
        while self._waiting and now - self._waiting[0][0] >= self._policy.quarantine:
            _, waited, key, client, _ = self._waiting.popleft()
            self._admit(waited, key, client, now)

    def spoil(self, suspects: Keys) -> None:
        """An attack on these keys has begun: what waits and has no proof is not good."""
        for index, (since, records, keys, clients, proven) in enumerate(self._waiting):
            kept = proven | ~np.isin(keys, suspects)
            if not kept.all():
                before, whose, when = self._spoilt
                self._spoilt = (
                    np.concatenate([before, records[~kept]])[-_SPOILT:],
                    np.concatenate([whose, keys[~kept]])[-_SPOILT:],
                    np.concatenate([when, np.full(int((~kept).sum()), since)])[-_SPOILT:],
                )
                self._waiting[index] = (since, records[kept], keys[kept], clients[kept], proven[kept])

    def proven(self, key: int) -> Records:
        """What waits and has a proof: nobody was calm for long, and these at least have passed a
        challenge."""
        parts = [records[good & (keys == key)] for _, records, keys, _, good in self._waiting]
        return np.concatenate([self._records[:0], *parts])

    def spoilt(self, key: int, until: float) -> tuple[Records, float]:
        """The last that came before an attack on ``key`` began, too shortly before to be called good, but
        not later than ``until``; and how many they stand for in a second. What an attack can be compared
        with where nothing better is known; no reason to refuse or to spare anybody."""
        records, keys, when = self._spoilt
        chosen = (keys == key) & (when <= until)
        if not chosen.any():
            return records[:0], 0.0
        seconds = max(1.0, float(np.ptp(when[chosen])))
        return np.asarray(records[chosen]), float(records["weight"][chosen].sum()) / seconds

    def _admit(self, records: Records, keys: Keys, clients: NDArray[np.uint64], now: float) -> None:
        policy = self._policy
        if not records.size:
            return
        fresh = (
            _rank_of_each(clients) + _count_in(self._clients[: self.size], clients) < policy.client_records
        )
        records, keys, clients = records[fresh], keys[fresh], clients[fresh]
        if not records.size:
            return
        share = max(1, int(policy.reservoir * policy.reservoir_share))
        full = _rank_of_each(keys) + _count_in(self._keys[: self.size], keys) >= share
        for key in np.unique(keys[full]):
            # A stratum that has its share renews itself, slowly.
            mine = np.flatnonzero(self._keys[: self.size] == key)
            came = np.flatnonzero(full & (keys == key))
            new = self._chance.permutation(came)[
                : min(mine.size, self._renewed(int(key), share, came.size, now))
            ]
            self._put(self._chance.choice(mine, new.size, replace=False), new, records, keys, clients)
        rest = np.flatnonzero(~full)
        room = min(rest.size, policy.reservoir - self.size)
        self._put(np.arange(self.size, self.size + room), rest[:room], records, keys, clients)
        self.size += room
        rest = rest[room:]
        if rest.size:
            self._put(self._chance.choice(self.size, rest.size, replace=False), rest, records, keys, clients)

    def _renewed(self, key: int, share: int, wanted: int, now: float) -> int:
        """How many records of a stratum may be replaced now."""
        pace = share / self._policy.memory_seconds
        credit, since = self._renewal.get(key, (0.0, now))
        credit = min(60 * pace, credit + (now - since) * pace)
        granted = min(wanted, int(credit))
        self._renewal[key] = (credit - granted, now)
        if len(self._renewal) > _FULL_MOST:
            self._renewal.pop(next(iter(self._renewal)))
        return granted

    def _put(
        self,
        places: NDArray[np.int64],
        which: NDArray[np.int64],
        records: Records,
        keys: Keys,
        clients: NDArray[np.uint64],
    ) -> None:
        self._records[places] = records[which]
        self._keys[places], self._clients[places] = keys[which], clients[which]


def _rank_of_each(values: NDArray[np.generic]) -> NDArray[np.int64]:
    """How many equal values came before each."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    lengths = np.diff(np.append(starts, values.size))
    ranks = np.empty(values.size, np.int64)
    ranks[order] = np.arange(values.size) - np.repeat(starts, lengths)
    return ranks


def _count_in(haystack: NDArray[np.generic], needles: NDArray[np.generic]) -> NDArray[np.int64]:
    """How often each needle is in the haystack."""
    ordered = np.sort(haystack)
    return np.asarray(np.searchsorted(ordered, needles, "right") - np.searchsorted(ordered, needles, "left"))
