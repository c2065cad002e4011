"""The allow and the block list in the kernel: who is on it, since when not, and how often it was met.

A block list stands in five maps (docs/shield.md, step 3): single IPv4 addresses, IPv4 /24s and IPv6 /64s in
hash tables, all other prefixes in tries; a sixth says for each IPv4 /24 which of them to ask. Whoever reads
or writes lists through this module sees one list.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

import numpy as np

from rempart.engines.shield import layout, nets4
from rempart.engines.shield.entries import (
    Address,
    Batch,
    Clock,
    Entry,
    Exact,
    Network,
    as_network,
    keyed,
    network_of,
)
from rempart.engines.shield.layout import Flag
from rempart.engines.shield.libbpf import Bytes, Map
from rempart.engines.shield.loader import Shield
from rempart.engines.shield.tables import set_flags
from rempart.engines.shield.where import mark
from rempart.model.errors import Conflict

SWEEP = 50_000
"""Entries looked at by one call of the sweeper: some 30 ms, 70 when all of them have expired."""
TIDIED = 8
"""``blocked4_where`` is made anew at the end of a sweep when, since the last time, at least one entry was
removed for so many that are left: it reads the whole list."""


@dataclass(frozen=True, slots=True)
class _Places:
    tries: tuple[str, str]
    exact: tuple[Exact, ...]
    flags: tuple[tuple[str, Flag], ...]


ALLOWED = _Places(
    ("allowed4", "allowed6"), (), (("allowed4", Flag.HAS_ALLOWED), ("allowed6", Flag.HAS_ALLOWED))
)
BLOCKED = _Places(
    ("blocked4", "blocked6"),
    (
        Exact(nets4.HOSTS, version=4, length=32, width=layout.HOST4.itemsize),
        Exact(nets4.NETS, version=4, length=24, width=layout.NET4.itemsize),
        Exact("blocked6_nets", version=6, length=64, width=layout.NETWORK6.itemsize),
    ),
    (
        ("blocked4", Flag.HAS_BLOCKED4),
        ("blocked6", Flag.HAS_BLOCKED6),
        (nets4.NETS, Flag.HAS_BLOCKED4),
        (nets4.HOSTS, Flag.HAS_BLOCKED_HOSTS4),
        ("blocked6_nets", Flag.HAS_BLOCKED_NETS6),
    ),
)


@dataclass(frozen=True, slots=True)
class Removal:
    """What taking a prefix off a list came to, read back from the kernel."""

    network: Network
    was_listed: bool
    covered_by: tuple[Entry, ...]
    """Shorter prefixes that hold for all of it still, the longest first."""

    @property
    def is_free(self) -> bool:
        """Nothing on the list holds for all of it any more."""
        return not self.covered_by


@dataclass(frozen=True, slots=True)
class Swept:
    """What one call of the sweeper did."""

    looked_at: int
    removed: int
    finished: bool
    """It has now been through the whole list, and begins anew."""
    entries: int
    """On the list, as of the last time it was through it; expired ones not counted."""


def clock() -> Clock:
    """Now."""
    return Clock(time.time_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC))


class PrefixList:
    """One list of a shield. The shield's lock puts changes of several processes in a row."""

    def __init__(self, shield: Shield, places: _Places) -> None:
        self._shield = shield
        self._places = places
        names = (*places.tries, *(one.name for one in places.exact))
        if not shield.maps.keys() >= {*names, *((nets4.WHERE,) if places.exact else ())}:
            raise Conflict(
                f"the packet shield under {shield.folder} is of an older version",
                hint="restart the node: its lists are taken over",
            )
        self._maps = {name: shield.maps[name] for name in names}
        self._where = shield.maps[nets4.WHERE].memory() if places.exact else None
        self._gone = 0
        """Entries removed since ``blocked4_where`` was made anew."""
        self._sweep = _Sweep(tuple(self._maps.values()))

    def add(self, batch: Batch) -> int:
        """Put entries on the list, in the place of those of equal prefixes; how many there were.

        Hits of an entry that is put on again begin anew. Raises BpfFailed when the list is full.
        """
        tables = keyed(batch, clock(), self._places.tries, self._places.exact)
        with self._shield.lock():
            # First: of a list that turns out to be too long, what did fit holds.
            if self._where is not None:
                rows = batch.v4
                mark(self._where, np.ascontiguousarray(rows["bytes"]).view(">u4").reshape(-1), rows["length"])
            flags = Flag(0)
            for name, flag in self._places.flags:
                flags |= flag if name in tables else Flag(0)
            set_flags(self._shield, flags)
            return sum(self._maps[name].update_batch(keys, values) for name, (keys, values) in tables.items())

    def put(self, network: Network | Address | str, *, until: int = 0, tag: int = 0) -> None:
        """One entry; ``until`` in Unix nanoseconds, 0: it does not expire."""
        self.add(Batch.of([as_network(network)], until=until, tag=tag))

    def remove(self, network: Network | Address | str) -> Removal:
        """Take exactly this prefix off, at once, and look whether it is off.

        Longer prefixes inside of it stay; shorter ones around it are named, because they still hold.
        """
        network = as_network(network)
        name, key = self._place(network)
        with self._shield.lock():
            was_listed = self._maps[name].delete(key)
            self._gone += was_listed
            covering = self.covering(network)
        return Removal(network, was_listed, covering)

    def discard(self, batch: Batch) -> int:
        """Take exactly these prefixes off; how many were on."""
        tables = keyed(batch, clock(), self._places.tries, self._places.exact)
        with self._shield.lock():
            done = sum(self._maps[name].delete_batch(keys) for name, (keys, _) in tables.items())
            self._gone += done
        return done

    def covering(self, what: Network | Address | str) -> tuple[Entry, ...]:
        """Entries that hold for all of ``what`` and have not expired, the longest first.

        The program asks the longest alone; of expired ones the sweeper is their end.
        """
        network, now = as_network(what), clock()
        found: list[Entry] = []
        for name, first in self._keys(network):
            key = first
            while (raw := self._maps[name].lookup(key)) is not None:
                entry, expired = _entry(key, raw, now)
                if not expired:
                    found.append(entry)
                if name not in self._places.tries or entry.network.prefixlen == 0:
                    break
                key = layout.prefix_key(entry.network.supernet())
        return tuple(sorted(found, key=lambda one: one.network.prefixlen, reverse=True))

    def entries(self) -> Iterator[Entry]:
        """All that have not expired, in no order."""
        now = clock()
        for keys, values in self._contents():
            for key, value in zip(keys, values, strict=True):
                entry, expired = _entry(key.tobytes(), value.tobytes(), now)
                if not expired:
                    yield entry

    def most_hit(self, count: int) -> tuple[Entry, ...]:
        """The ``count`` entries with most packets, most first. Reads the whole list, in arrays."""
        now = clock()
        best: list[tuple[int, bytes, bytes]] = []
        for keys, values in self._contents():
            packets = values.view(layout.LISTED)["packets"].reshape(-1)
            for index in np.argsort(packets)[-count:]:
                best.append((int(packets[index]), keys[index].tobytes(), values[index].tobytes()))
            best = sorted(best, reverse=True)[:count]
        found = [_entry(key, value, now) for _, key, value in best]
        return tuple(entry for entry, expired in found if not expired)

    def size(self) -> int:
        """Entries in the kernel, expired ones too. Walks the list: half a second for a million."""
        return sum(len(keys) for keys, _ in self._contents())

    def clear(self) -> int:
        """Take everything off; how many there were."""
        done = 0
        with self._shield.lock():
            for table in self._maps.values():
                rows = [keys for keys, _ in table.lookup_batches()]
                done += sum(table.delete_batch(one) for one in rows)
            if self._where is not None:
                self._where[:] = 0
            self._gone = 0
            flags = Flag(0)
            for _, flag in self._places.flags:
                flags |= flag
            set_flags(self._shield, Flag(0), cleared=flags)
        return done

    def sweep(self, entries: int = SWEEP) -> Swept:
        """Remove expired entries among the next ``entries`` ones of the list, going round."""
        with self._shield.lock():
            swept = self._sweep.go(entries, clock().monotonic)
            self._gone += swept.removed
            if swept.finished:
                flags = dict.fromkeys((flag for _, flag in self._places.flags), False)
                for name, flag in self._places.flags:
                    flags[flag] |= self._maps[name].next_key(None) is not None
                for flag, is_used in flags.items():
                    set_flags(self._shield, Flag(0), cleared=Flag(0) if is_used else flag)
                if self._where is not None and self._gone and self._gone * TIDIED >= swept.entries:
                    nets4.rebuild(self._shield.maps)
                    self._gone = 0
        return swept

    def _contents(self) -> list[tuple[Bytes, Bytes]]:
        """Everything at one moment: who walks a trie from which his place is removed begins anew."""
        with self._shield.lock():
            return [rows for table in self._maps.values() for rows in table.lookup_batches()]

    def _place(self, network: Network) -> tuple[str, bytes]:
        """The map and the key of exactly this prefix."""
        (name, (keys, _)), *_ = keyed(
            Batch.of([network]), Clock(0, 0), self._places.tries, self._places.exact
        ).items()
        return name, keys[0].tobytes()

    def _keys(self, network: Network) -> Iterator[tuple[str, bytes]]:
        """Where something may stand that holds for all of ``network``: map, and key to ask it with."""
        old = isinstance(network, IPv4Network)
        packed, exact = network.network_address.packed, self._places.exact
        for one in exact:
            if one.version == network.version and network.prefixlen >= one.length:
                yield one.name, packed[: one.width]
        yield self._places.tries[0 if old else 1], layout.prefix_key(network)


class _Sweep:
    """Where the sweeper is."""

    def __init__(self, maps: tuple[Map, ...]) -> None:
        self._maps = maps
        self._at = 0
        self._token: bytes | None = None
        self._late: Bytes | None = None
        self._living = 0
        self._entries = 0

    def go(self, budget: int, now: int) -> Swept:
        looked = removed = 0
        while looked < budget:
            table = self._maps[self._at]
            keys, values, token = table.lookup_batch(budget - looked, self._token)
            looked += len(keys)
            gone = self._expired(keys, values, now, is_last=token is None)
            removed += table.delete_batch(gone)
            self._living += len(keys) - len(gone)
            self._token = token
            if token is not None:
                continue
            self._at = (self._at + 1) % len(self._maps)
            if self._at == 0:
                self._entries, self._living = self._living, 0
                return Swept(looked, removed, True, self._entries)
        return Swept(looked, removed, False, self._entries)

    def _expired(self, keys: Bytes, values: Bytes, now: int, *, is_last: bool) -> Bytes:
        """Keys to be removed now. A trie is walked on from its last key, so that goes a call later."""
        late, self._late = self._late, None
        rows = [late] if late is not None else []
        if len(keys):
            until = values.view(layout.LISTED)["until"].reshape(-1)
            gone = (until != 0) & (until <= now)
            if not is_last and gone[-1]:
                gone[-1] = False
                self._late = keys[-1:]
            rows.append(keys[gone])
        return np.concatenate(rows) if rows else keys


def allowed(shield: Shield) -> PrefixList:
    return PrefixList(shield, ALLOWED)


def blocked(shield: Shield) -> PrefixList:
    return PrefixList(shield, BLOCKED)


def _entry(key: bytes, raw: bytes, now: Clock) -> tuple[Entry, bool]:
    """What was found under ``key``, which in a trie may be longer than the entry's own; has it expired?"""
    value = np.frombuffer(raw, layout.LISTED)[0]
    length, until = int(value["length"]), int(value["until"])
    network = network_of(key, length)
    if length < network.prefixlen:
        network = network.supernet(new_prefix=length)
    entry = Entry(network, now.to_unix(until), int(value["tag"]), int(value["packets"]), int(value["bytes"]))
    return entry, bool(until) and until <= now.monotonic
