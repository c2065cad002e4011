"""Entries of lists, many at a time: as arrays, ready for the disk and for the kernel. Pure.

A prefix of either family with an expiry in Unix nanoseconds (0: none) and a tag. The first bytes of a row are
the kernel's key of an LPM trie, so a million entries are handed over without being looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield import layout

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
Rows = NDArray[Any]
Keyed = dict[str, tuple[Rows, Rows]]

FOR_EVER = 0
ENTRY4 = np.dtype(
    [("length", "<u4"), ("bytes", "u1", 4), ("tag", "<u4"), ("reserved", "<u4"), ("until", "<u8")]
)
ENTRY6 = np.dtype([("length", "<u4"), ("bytes", "u1", 16), ("tag", "<u4"), ("until", "<u8")])


class Exact(NamedTuple):
    """A hash table of prefixes of one length, beside the tries."""

    name: str
    version: int
    length: int
    width: int
    """Bytes of the address that are its key."""


class Clock(NamedTuple):
    """Both clocks at one moment, in nanoseconds: expiries are in Unix time, the program has the other."""

    unix: int
    monotonic: int

    def to_monotonic(self, until: Rows) -> Rows:
        """Expiries for the kernel; what has expired already expires at 1."""
        moved = np.maximum(until.astype(np.int64) - self.unix + self.monotonic, 1)
        return np.where(until == FOR_EVER, 0, moved).astype(np.uint64)

    def to_unix(self, until: int) -> int:
        return until - self.monotonic + self.unix if until else FOR_EVER


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list, as it is in the kernel."""

    network: Network
    until: int
    """Unix nanoseconds; 0: it does not expire."""
    tag: int
    packets: int
    bytes: int


def _empty4() -> Rows:
    return np.zeros(0, ENTRY4)


def _empty6() -> Rows:
    return np.zeros(0, ENTRY6)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Entries of both families; arrays of ENTRY4 and ENTRY6."""

    v4: Rows = field(default_factory=_empty4)
    v6: Rows = field(default_factory=_empty6)

    def __len__(self) -> int:
        return len(self.v4) + len(self.v6)

    @classmethod
    def of(cls, networks: Iterable[Network], *, until: int = FOR_EVER, tag: int = 0) -> Batch:
        """From networks, one by one."""
        all_ = list(networks)
        v4 = [one for one in all_ if isinstance(one, IPv4Network)]
        v6 = [one for one in all_ if isinstance(one, IPv6Network)]
        return cls(
            _rows(ENTRY4, [one.prefixlen for one in v4], _packed(v4), until, tag),
            _rows(ENTRY6, [one.prefixlen for one in v6], _packed(v6), until, tag),
        )

    @classmethod
    def of_hosts4(cls, addresses: NDArray[np.uint32], *, until: int = FOR_EVER, tag: int = 0) -> Batch:
        """From IPv4 addresses as numbers."""
        raw = np.ascontiguousarray(addresses, ">u4").view(np.uint8)
        return cls(_rows(ENTRY4, 32, raw.tobytes(), until, tag))

    @classmethod
    def of_networks6(cls, networks: NDArray[np.uint64], *, until: int = FOR_EVER, tag: int = 0) -> Batch:
        """From the first 64 bits of IPv6 addresses as numbers: each one's /64."""
        raw = np.zeros((len(networks), 16), np.uint8)
        raw[:, :8] = np.ascontiguousarray(networks, ">u8").view(np.uint8).reshape(-1, 8)
        return cls(v6=_rows(ENTRY6, 64, raw.tobytes(), until, tag))

    def __iter__(self) -> Iterator[tuple[Network, int, int]]:
        """Network, expiry, tag; slow."""
        for rows in (self.v4, self.v6):
            for one in rows:
                yield _network(one), int(one["until"]), int(one["tag"])

    def joined(self, later: Batch) -> Batch:
        """Both; of two entries of one prefix ``later``'s stays."""
        return Batch(_last(self.v4, later.v4), _last(self.v6, later.v6))

    def without(self, gone: Iterable[Network]) -> Batch:
        """Without exactly these prefixes."""
        other = Batch.of(gone)
        return Batch(_minus(self.v4, other.v4), _minus(self.v6, other.v6))

    def living(self, now: int) -> Batch:
        """Those that have not expired at ``now`` (Unix nanoseconds)."""
        return Batch(
            *(rows[(rows["until"] == FOR_EVER) | (rows["until"] > now)] for rows in (self.v4, self.v6))
        )


def keyed(batch: Batch, clock: Clock, tables: tuple[str, str], exact: tuple[Exact, ...]) -> Keyed:
    """Keys and values (``struct listed``) for the kernel, by map.

    ``tables``: the tries of IPv4 and IPv6.
    """
    found: Keyed = {}
    for rows, table, version in ((batch.v4, tables[0], 4), (batch.v6, tables[1], 6)):
        if not len(rows):
            continue
        values = np.zeros(len(rows), layout.LISTED)
        values["until"] = clock.to_monotonic(rows["until"])
        values["tag"], values["length"] = rows["tag"], rows["length"]
        keys = np.ascontiguousarray(
            rows.view(np.uint8).reshape(len(rows), -1)[:, : 4 + rows["bytes"].shape[1]]
        )
        others = np.ones(len(rows), bool)
        for one in exact:
            chosen = rows["length"] == one.length
            if one.version != version or not chosen.any():
                continue
            found[one.name] = (np.ascontiguousarray(keys[chosen, 4 : 4 + one.width]), values[chosen])
            others &= ~chosen
        if others.any():
            found[table] = (np.ascontiguousarray(keys[others]), values[others])
    return found


def network_of(key: bytes, length: int) -> Network:
    """The network of a key of any of a list's maps; ``length`` as its value has it."""
    if len(key) == layout.HOST4.itemsize:
        return IPv4Network((key, 32))
    if len(key) == layout.NET4.itemsize:
        return IPv4Network((key + bytes(1), 24))
    if len(key) == layout.NETWORK6.itemsize and length == 64:
        return IPv6Network((key + bytes(8), 64))
    return layout.prefix_of(key)


def as_network(what: Network | Address | str) -> Network:
    """An address is the network of it alone. Raises ValueError."""
    return what if isinstance(what, (IPv4Network, IPv6Network)) else ip_network(what)


def _packed(networks: list[Any]) -> bytes:
    return b"".join(one.network_address.packed for one in networks)


def _rows(dtype: np.dtype[Any], length: Any, raw: bytes, until: int, tag: int) -> Rows:
    width = dtype["bytes"].shape[0]
    rows = np.zeros(len(raw) // width, dtype)
    rows["length"], rows["until"], rows["tag"] = length, until, tag
    rows["bytes"] = np.frombuffer(raw, np.uint8).reshape(-1, width)
    return rows


def _network(row: Any) -> Network:
    packed, length = row["bytes"].tobytes(), int(row["length"])
    return IPv4Network((packed, length)) if len(packed) == 4 else IPv6Network((packed, length))


def _keys(rows: Rows) -> Rows:
    """One comparable value for each row, in the order of addresses: that is how tries are filled fastest."""
    if rows["bytes"].shape[1] == 4:
        addresses = np.ascontiguousarray(rows["bytes"]).view(">u4").reshape(-1).astype(np.uint64)
        numbers: Rows = addresses << np.uint64(8) | rows["length"].astype(np.uint64)
        return numbers
    raw = np.zeros((len(rows), 17), np.uint8)
    raw[:, :16], raw[:, 16] = rows["bytes"], rows["length"]
    blobs: Rows = raw.view("V17").reshape(-1)
    return blobs


def _last(before: Rows, later: Rows) -> Rows:
    """One row for each prefix, the last one, sorted."""
    rows = np.concatenate((before, later))[::-1]
    _, first = np.unique(_keys(rows), return_index=True)
    return np.ascontiguousarray(rows[first])


def _minus(rows: Rows, gone: Rows) -> Rows:
    if not len(rows) or not len(gone):
        return rows
    return rows[~np.isin(_keys(rows), _keys(gone))]
