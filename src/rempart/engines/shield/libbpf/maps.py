"""Maps: entries one by one, many at a time, and as memory."""

from __future__ import annotations

import ctypes as c
import errno
import mmap
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield.libbpf.declarations import MapCreateOptions, MapInfo, MapType
from rempart.engines.shield.libbpf.library import (
    Descriptor,
    check,
    failure,
    library,
    possible_cpus,
    read_info,
)

BATCH = 1 << 16
"""Entries for each call that reads many."""

Bytes = NDArray[np.uint8]
Buffer = NDArray[Any]


class Shape(NamedTuple):
    """What must be equal for a map to be usable by another program."""

    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int


class Map(Descriptor):
    """A map. Keys and values are bytes, or numpy arrays of as many rows as there are entries."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        info = MapInfo()
        read_info(fd, info)
        self.id: int = info.id
        self.name: str = info.name.decode()
        self.type = MapType(info.type)
        self.key_size: int = info.key_size
        self.value_size: int = info.value_size
        self.max_entries: int = info.max_entries
        self.flags: int = info.map_flags
        # Per-CPU values are padded to eight bytes each (Documentation/bpf/map_array.rst of Linux).
        self.stride = -(-self.value_size // 8) * 8
        self._held = self.stride * possible_cpus() if self.type.per_cpu else self.value_size

    @classmethod
    def by_id(cls, number: int) -> Self:
        """Needs CAP_SYS_ADMIN, which the shield's own user has not."""
        return cls(check(library().bpf_map_get_fd_by_id(number), f"open map {number}"))

    @classmethod
    def create(
        cls, type: MapType, name: str, key_size: int, value_size: int, max_entries: int, flags: int = 0
    ) -> Self:
        """A new map, for example an inner one."""
        options = MapCreateOptions(sz=c.sizeof(MapCreateOptions), map_flags=flags)
        fd = library().bpf_map_create(
            type, name.encode(), key_size, value_size, max_entries, c.byref(options)
        )
        return cls(check(fd, f"create map {name}"))

    @property
    def shape(self) -> Shape:
        return Shape(self.type, self.key_size, self.value_size, self.max_entries, self.flags)

    def lookup(self, key: bytes) -> bytes | None:
        """The value, of all CPUs for per-CPU maps; None when there is none.

        In an LPM trie it is that of the longest prefix of ``key`` that is no longer than ``key`` says.
        """
        self._fits(key, self.key_size)
        value = c.create_string_buffer(self._held)
        if library().bpf_map_lookup_elem(self.fd, key, value) < 0:
            if c.get_errno() == errno.ENOENT:
                return None
            raise failure(f"read map {self.name}")
        return value.raw

    def lookup_cpus(self, key: bytes, dtype: np.dtype[Any]) -> Buffer:
        """The values of one key, one for each CPU. Raises KeyError."""
        raw = self.lookup(key)
        if raw is None:
            raise KeyError(key)
        rows = np.frombuffer(raw, np.uint8).reshape(possible_cpus(), self.stride)[:, : dtype.itemsize]
        return np.ascontiguousarray(rows).view(dtype).reshape(possible_cpus())

    def lookup_all_cpus(self, dtype: np.dtype[Any]) -> Buffer:
        """The values of a per-CPU array: shape (entries, CPUs)."""
        entries, cpus = self.max_entries, possible_cpus()
        values = np.zeros((entries, cpus, self.stride), np.uint8)
        keys, count, token = np.zeros(entries, np.uint32), c.c_uint32(entries), np.zeros(1, np.uint64)
        got = library().bpf_map_lookup_batch(
            self.fd, None, token.ctypes.data, keys.ctypes.data, values.ctypes.data, c.byref(count), None
        )
        if got < 0 and c.get_errno() in (
            errno.ENOTSUP,
            errno.EINVAL,
            524,
        ):  # per-CPU arrays: since Linux 5.13
            for index in range(entries):
                raw = self.lookup(index.to_bytes(4, "little"))
                values[index] = np.frombuffer(raw or b"", np.uint8).reshape(cpus, self.stride)
        elif got < 0 and c.get_errno() != errno.ENOENT:
            raise failure(f"read map {self.name}")
        return np.ascontiguousarray(values[:, :, : dtype.itemsize]).view(dtype).reshape(entries, cpus)

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        self._fits(key, self.key_size)
        self._fits(value, self._held if self.type != MapType.ARRAY_OF_MAPS else 4)
        check(library().bpf_map_update_elem(self.fd, key, value, flags), f"write map {self.name}")

    def delete(self, key: bytes) -> bool:
        """True when there was one. In an LPM trie exactly this prefix is meant."""
        self._fits(key, self.key_size)
        if library().bpf_map_delete_elem(self.fd, key) < 0:
            if c.get_errno() == errno.ENOENT:
                return False
            raise failure(f"remove from map {self.name}")
        return True

    def next_key(self, key: bytes | None) -> bytes | None:
        """The key after ``key``; the first one for None or for a key that is gone; None after the last."""
        after = c.create_string_buffer(self.key_size)
        if library().bpf_map_get_next_key(self.fd, key, after) < 0:
            if c.get_errno() == errno.ENOENT:
                return None
            raise failure(f"walk map {self.name}")
        return after.raw

    def keys(self) -> Iterator[bytes]:
        key = self.next_key(None)
        while key is not None:
            yield key
            key = self.next_key(key)

    def update_batch(self, keys: Buffer, values: Buffer) -> int:
        """Write all rows; how many there were. What stands before a row that fails stays written."""
        return self._batch("update", keys, values)

    def delete_batch(self, keys: Buffer) -> int:
        """Delete all rows; a key that is not there is passed over. How many were there."""
        return self._batch("delete", keys, None)

    def _batch(self, verb: str, keys: Buffer, values: Buffer | None) -> int:
        keys = _rows(keys, self.key_size)
        if values is not None:
            values = _rows(values, self._held)
            if len(keys) != len(values):
                raise ValueError("as many keys as values are meant")
        at = done = 0
        while at < len(keys):
            count = c.c_uint32(len(keys) - at)
            if values is None:
                result = library().bpf_map_delete_batch(self.fd, keys[at:].ctypes.data, c.byref(count), None)
            else:
                result = library().bpf_map_update_batch(
                    self.fd, keys[at:].ctypes.data, values[at:].ctypes.data, c.byref(count), None
                )
            done += count.value
            if result >= 0:
                break
            if values is not None or c.get_errno() != errno.ENOENT:
                raise failure(f"{verb} in map {self.name}, entry {at + count.value}")
            at += count.value + 1
        return done

    def lookup_batch(self, size: int, token: bytes | None) -> tuple[Bytes, Bytes, bytes | None]:
        """The next entries, about ``size`` at most: keys, values, and the token with which to go on.

        None begins, and comes back at the end. A trie's token is the last key; once that is removed it begins
        anew.
        """
        before = np.frombuffer(token, np.uint8) if token is not None else None
        follow = np.zeros(max(self.key_size, 8), np.uint8)
        while True:
            keys = np.zeros((size, self.key_size), np.uint8)
            values = np.zeros((size, self._held), np.uint8)
            count = c.c_uint32(size)
            result = library().bpf_map_lookup_batch(
                self.fd,
                None if before is None else before.ctypes.data,
                follow.ctypes.data,
                keys.ctypes.data,
                values.ctypes.data,
                c.byref(count),
                None,
            )
            number = c.get_errno() if result < 0 else 0
            if number == errno.ENOSPC and not count.value:  # a hash table's bucket with more than that
                size *= 2
                continue
            if number not in (0, errno.ENOENT, errno.ENOSPC):
                raise failure(f"read map {self.name}", number)
            return (
                keys[: count.value],
                values[: count.value],
                None if number == errno.ENOENT else follow.tobytes(),
            )

    def lookup_batches(self, size: int = BATCH) -> Iterator[tuple[Bytes, Bytes]]:
        """All entries, in turns of at most ``size``: keys and values as rows of bytes."""
        keys, values, token = self.lookup_batch(size, None)
        while True:
            if len(keys):
                yield keys, values
            if token is None:
                return
            keys, values, token = self.lookup_batch(size, token)

    def memory(self) -> Bytes:
        """The entries of an array with MMAPABLE, one after the other, each padded to ``stride``: the
        program's own memory. Raises EnvironmentLacks, BpfFailed.
        """
        size = self.stride * self.max_entries
        try:
            shared = mmap.mmap(
                self.fd, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE
            )
        except OSError as error:
            raise failure(f"share map {self.name}", error.errno) from error
        return np.frombuffer(shared, np.uint8, size)

    def _fits(self, given: bytes, size: int) -> None:
        # ctypes would let the kernel read past the end.
        if len(given) != size:
            raise ValueError(f"map {self.name}: {len(given)} bytes given where {size} are meant")


def _rows(array: Buffer, size: int) -> Bytes:
    array = np.ascontiguousarray(array)
    rows: Bytes = array.view(np.uint8).reshape(-1, size) if array.size else np.zeros((0, size), np.uint8)
    if array.size and len(rows) != len(array):
        raise ValueError(f"rows of {array.nbytes // len(array)} bytes given where {size} are meant")
    return rows
