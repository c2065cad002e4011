"""libbpf, as far as the shield needs it: typed, over ctypes, with errors that say what to do.

Everything the kernel gives is a descriptor that is closed when its object is forgotten, so that a loader that
fails half-way leaves nothing behind. Functions and structures as in libbpf 1.1 (Debian 12); option structures
carry their own size, so that newer libraries understand them too.
"""

from __future__ import annotations

import ctypes as c
import errno
import mmap
import os
import re
import weakref
from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rempart.engines.shield.refusals import (
    BpfFailed,
    BrokenObject,
    VerifierRefused,
    kernel_too_old,
    library_missing,
    no_privileges,
)

SONAME = "libbpf.so.1"
LOG_SIZE = 1 << 20
ATTACH_XDP = 37
BATCH = 1 << 16
"""Entries for each call that reads many."""

Bytes = NDArray[np.uint8]
Buffer = NDArray[Any]


class MapType(IntEnum):
    """enum bpf_map_type, what the shield uses of it."""

    HASH = 1
    ARRAY = 2
    PROG_ARRAY = 3
    PERCPU_HASH = 5
    PERCPU_ARRAY = 6
    LRU_HASH = 9
    LPM_TRIE = 11
    ARRAY_OF_MAPS = 12
    RINGBUF = 27

    @property
    def per_cpu(self) -> bool:
        return self in (MapType.PERCPU_HASH, MapType.PERCPU_ARRAY)


class Mode(StrEnum):
    """How a program is attached: in the driver, or behind it with a copy of every packet."""

    NATIVE = "native"
    GENERIC = "generic"


_MODE_FLAGS = {Mode.GENERIC: 1 << 1, Mode.NATIVE: 1 << 2}


class _OpenOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("object_name", c.c_char_p),
        ("relaxed_maps", c.c_bool),
        ("pin_root_path", c.c_char_p),
        ("unused", c.c_uint32),
        ("kconfig", c.c_char_p),
        ("btf_custom_path", c.c_char_p),
        ("kernel_log_buf", c.c_void_p),
        ("kernel_log_size", c.c_size_t),
        ("kernel_log_level", c.c_uint32),
    ]


class _TestRunOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("data_in", c.c_void_p),
        ("data_out", c.c_void_p),
        ("data_size_in", c.c_uint32),
        ("data_size_out", c.c_uint32),
        ("ctx_in", c.c_void_p),
        ("ctx_out", c.c_void_p),
        ("ctx_size_in", c.c_uint32),
        ("ctx_size_out", c.c_uint32),
        ("retval", c.c_uint32),
        ("repeat", c.c_int),
        ("duration", c.c_uint32),
        ("flags", c.c_uint32),
        ("cpu", c.c_uint32),
        ("batch_size", c.c_uint32),
    ]


class _MapCreateOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("btf_fd", c.c_uint32),
        ("btf_key_type_id", c.c_uint32),
        ("btf_value_type_id", c.c_uint32),
        ("btf_vmlinux_value_type_id", c.c_uint32),
        ("inner_map_fd", c.c_uint32),
        ("map_flags", c.c_uint32),
        ("map_extra", c.c_uint64),
        ("numa_node", c.c_uint32),
        ("map_ifindex", c.c_uint32),
    ]


class _LinkCreateOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("flags", c.c_uint32),
        ("iter_info", c.c_void_p),
        ("iter_info_len", c.c_uint32),
        ("target_btf_id", c.c_uint32),
        ("rest", c.c_uint64 * 4),
    ]


class _XdpQueryOptions(c.Structure):
    _fields_ = [
        ("sz", c.c_size_t),
        ("prog_id", c.c_uint32),
        ("drv_prog_id", c.c_uint32),
        ("hw_prog_id", c.c_uint32),
        ("skb_prog_id", c.c_uint32),
        ("attach_mode", c.c_uint8),
    ]


class _MapInfo(c.Structure):
    _fields_ = [
        ("type", c.c_uint32),
        ("id", c.c_uint32),
        ("key_size", c.c_uint32),
        ("value_size", c.c_uint32),
        ("max_entries", c.c_uint32),
        ("map_flags", c.c_uint32),
        ("name", c.c_char * 16),
        ("ifindex", c.c_uint32),
        ("btf_vmlinux_value_type_id", c.c_uint32),
        ("netns_dev", c.c_uint64),
        ("netns_ino", c.c_uint64),
        ("btf_id", c.c_uint32),
        ("btf_key_type_id", c.c_uint32),
        ("btf_value_type_id", c.c_uint32),
        ("pad", c.c_uint32),
        ("map_extra", c.c_uint64),
    ]


class _ProgramInfo(c.Structure):
    _fields_ = [
        ("type", c.c_uint32),
        ("id", c.c_uint32),
        ("tag", c.c_uint8 * 8),
        ("jited_prog_len", c.c_uint32),
        ("xlated_prog_len", c.c_uint32),
        ("jited_prog_insns", c.c_uint64),
        ("xlated_prog_insns", c.c_uint64),
        ("load_time", c.c_uint64),
        ("created_by_uid", c.c_uint32),
        ("nr_map_ids", c.c_uint32),
        ("map_ids", c.c_uint64),
        ("name", c.c_char * 16),
    ]


class _LinkInfo(c.Structure):
    _fields_ = [
        ("type", c.c_uint32),
        ("id", c.c_uint32),
        ("prog_id", c.c_uint32),
        ("pad", c.c_uint32),
        ("ifindex", c.c_uint32),
        ("rest", c.c_uint8 * 60),
    ]


_NO_HELPER = re.compile(r"(?:unknown func|invalid func|cannot use helper) ([a-z0-9_#]+)")
"""The verifier's words, of older and newer kernels."""
_PRINT = c.CFUNCTYPE(c.c_int, c.c_int, c.c_char_p, c.c_void_p)

_SIGNATURES: Mapping[str, tuple[Any, tuple[Any, ...]]] = {
    "libbpf_set_print": (c.c_void_p, (_PRINT,)),
    "libbpf_num_possible_cpus": (c.c_int, ()),
    "libbpf_probe_bpf_map_type": (c.c_int, (c.c_int, c.c_void_p)),
    "bpf_object__open_mem": (c.c_void_p, (c.c_char_p, c.c_size_t, c.c_void_p)),
    "bpf_object__load": (c.c_int, (c.c_void_p,)),
    "bpf_object__close": (None, (c.c_void_p,)),
    "bpf_object__next_map": (c.c_void_p, (c.c_void_p, c.c_void_p)),
    "bpf_object__find_program_by_name": (c.c_void_p, (c.c_void_p, c.c_char_p)),
    "bpf_object__btf": (c.c_void_p, (c.c_void_p,)),
    "btf__raw_data": (c.c_void_p, (c.c_void_p, c.POINTER(c.c_uint32))),
    "bpf_map__name": (c.c_char_p, (c.c_void_p,)),
    "bpf_map__fd": (c.c_int, (c.c_void_p,)),
    "bpf_map__reuse_fd": (c.c_int, (c.c_void_p, c.c_int)),
    "bpf_map__is_internal": (c.c_bool, (c.c_void_p,)),
    "bpf_map__set_pin_path": (c.c_int, (c.c_void_p, c.c_char_p)),
    "bpf_map__initial_value": (c.c_void_p, (c.c_void_p, c.POINTER(c.c_size_t))),
    "bpf_map__type": (c.c_int, (c.c_void_p,)),
    "bpf_map__key_size": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__value_size": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__max_entries": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__map_flags": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__btf_key_type_id": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__btf_value_type_id": (c.c_uint32, (c.c_void_p,)),
    "bpf_map__inner_map": (c.c_void_p, (c.c_void_p,)),
    "bpf_program__fd": (c.c_int, (c.c_void_p,)),
    "bpf_map_create": (c.c_int, (c.c_int, c.c_char_p, c.c_uint32, c.c_uint32, c.c_uint32, c.c_void_p)),
    "bpf_map_lookup_elem": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p)),
    "bpf_map_update_elem": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p, c.c_uint64)),
    "bpf_map_delete_elem": (c.c_int, (c.c_int, c.c_void_p)),
    "bpf_map_get_next_key": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p)),
    "bpf_map_update_batch": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p)),
    "bpf_map_delete_batch": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p, c.c_void_p)),
    "bpf_map_lookup_batch": (
        c.c_int,
        (c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p),
    ),
    "bpf_map_get_fd_by_id": (c.c_int, (c.c_uint32,)),
    "bpf_prog_get_fd_by_id": (c.c_int, (c.c_uint32,)),
    "bpf_obj_pin": (c.c_int, (c.c_int, c.c_char_p)),
    "bpf_obj_get": (c.c_int, (c.c_char_p,)),
    "bpf_obj_get_info_by_fd": (c.c_int, (c.c_int, c.c_void_p, c.c_void_p)),
    "bpf_link_create": (c.c_int, (c.c_int, c.c_int, c.c_int, c.c_void_p)),
    "bpf_link_update": (c.c_int, (c.c_int, c.c_int, c.c_void_p)),
    "bpf_link_detach": (c.c_int, (c.c_int,)),
    "bpf_xdp_query": (c.c_int, (c.c_int, c.c_int, c.c_void_p)),
    "bpf_prog_test_run_opts": (c.c_int, (c.c_int, c.c_void_p)),
}

_said: list[str] = []
"""What libbpf would have printed since the last call of ours that asks it to load."""


@cache
def library() -> c.CDLL:
    """libbpf with the types of its functions. Raises EnvironmentLacks when it is not installed."""
    try:
        found = c.CDLL(SONAME, use_errno=True)
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(found, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise library_missing(str(error)) from None
    found.libbpf_set_print(_listener)
    return found


def _listen(level: int, form: bytes, arguments: int) -> int:
    # A va_list is handed over as a pointer on every architecture that Debian's bpf target runs on.
    text = c.create_string_buffer(2_000)
    c.CDLL(None).vsnprintf(text, c.c_size_t(len(text)), c.c_char_p(form), c.c_void_p(arguments))
    if level <= 1:  # warnings, information; not debugging
        _said.append(text.value.decode(errors="replace").strip())
        del _said[:-50]
    return 0


_listener = _PRINT(_listen)


def _failure(what: str, number: int | None = None) -> Exception:
    number = number or c.get_errno()
    if number in (errno.EPERM, errno.EACCES):
        return no_privileges(what)
    return BpfFailed(what, number)


def _check(result: int, what: str) -> int:
    if result < 0:
        raise _failure(what)
    return result


class Descriptor:
    """A descriptor of the kernel's, closed when it is no longer referred to, or earlier by ``close``."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._closing = weakref.finalize(self, os.close, fd)

    def close(self) -> None:
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pin(self, path: Path) -> None:
        """Give it a name on the bpf file system, under which it outlives this process."""
        _check(library().bpf_obj_pin(self.fd, os.fsencode(path)), f"pin {path}")


def _get(path: Path) -> int:
    fd: int = library().bpf_obj_get(os.fsencode(path))
    if fd < 0 and c.get_errno() == errno.ENOENT:
        raise FileNotFoundError(path)
    return _check(fd, f"open {path}")


def _info(fd: int, structure: c.Structure) -> None:
    size = c.c_uint32(c.sizeof(structure))
    _check(library().bpf_obj_get_info_by_fd(fd, c.byref(structure), c.byref(size)), "read an object's info")


@cache
def possible_cpus() -> int:
    """How many values an entry of a per-CPU map has."""
    return _check(library().libbpf_num_possible_cpus(), "count the CPUs")


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
        info = _MapInfo()
        _info(fd, info)
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
    def pinned(cls, path: Path) -> Self:
        """Raises FileNotFoundError, EnvironmentLacks, BpfFailed."""
        return cls(_get(path))

    @classmethod
    def by_id(cls, number: int) -> Self:
        """Needs CAP_SYS_ADMIN, which the shield's own user has not."""
        return cls(_check(library().bpf_map_get_fd_by_id(number), f"open map {number}"))

    @classmethod
    def create(
        cls, type: MapType, name: str, key_size: int, value_size: int, max_entries: int, flags: int = 0
    ) -> Self:
        """A new map, for example an inner one."""
        options = _MapCreateOptions(sz=c.sizeof(_MapCreateOptions), map_flags=flags)
        fd = library().bpf_map_create(
            type, name.encode(), key_size, value_size, max_entries, c.byref(options)
        )
        return cls(_check(fd, f"create map {name}"))

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
            raise _failure(f"read map {self.name}")
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
            raise _failure(f"read map {self.name}")
        return np.ascontiguousarray(values[:, :, : dtype.itemsize]).view(dtype).reshape(entries, cpus)

    def update(self, key: bytes, value: bytes, flags: int = 0) -> None:
        self._fits(key, self.key_size)
        self._fits(value, self._held if self.type != MapType.ARRAY_OF_MAPS else 4)
        _check(library().bpf_map_update_elem(self.fd, key, value, flags), f"write map {self.name}")

    def delete(self, key: bytes) -> bool:
        """True when there was one. In an LPM trie exactly this prefix is meant."""
        self._fits(key, self.key_size)
        if library().bpf_map_delete_elem(self.fd, key) < 0:
            if c.get_errno() == errno.ENOENT:
                return False
            raise _failure(f"remove from map {self.name}")
        return True

    def next_key(self, key: bytes | None) -> bytes | None:
        """The key after ``key``; the first one for None or for a key that is gone; None after the last."""
        after = c.create_string_buffer(self.key_size)
        if library().bpf_map_get_next_key(self.fd, key, after) < 0:
            if c.get_errno() == errno.ENOENT:
                return None
            raise _failure(f"walk map {self.name}")
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
                raise _failure(f"{verb} in map {self.name}, entry {at + count.value}")
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
                raise _failure(f"read map {self.name}", number)
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
        """The entries of an array with BPF_F_MMAPABLE, one after the other: the program's own memory.

        Values have a multiple of eight bytes. Raises EnvironmentLacks, BpfFailed.
        """
        size = self.value_size * self.max_entries
        try:
            shared = mmap.mmap(
                self.fd, -(-size // mmap.PAGESIZE) * mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE
            )
        except OSError as error:
            raise _failure(f"share map {self.name}", error.errno) from error
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


class Run(NamedTuple):
    """What a program did with one packet."""

    verdict: int
    packet: bytes
    nanoseconds: int
    """For each run, averaged over the repetitions."""


class Program(Descriptor):
    """A loaded program."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        info = _ProgramInfo()
        _info(fd, info)
        self.id: int = info.id
        self.name: str = info.name.decode()
        self.tag = bytes(info.tag).hex()
        """A digest of its instructions."""

    @classmethod
    def pinned(cls, path: Path) -> Self:
        return cls(_get(path))

    @classmethod
    def by_id(cls, number: int) -> Self:
        return cls(_check(library().bpf_prog_get_fd_by_id(number), f"open program {number}"))

    def run(self, packet: bytes, repeat: int = 1) -> Run:
        """Run it over a frame of at least 14 bytes, as if that came in. Maps are changed as by a real one."""
        given = c.create_string_buffer(packet, len(packet))
        out = c.create_string_buffer(len(packet) + 512)
        options = _TestRunOptions(
            sz=c.sizeof(_TestRunOptions),
            data_in=c.addressof(given),
            data_size_in=len(packet),
            repeat=repeat,
        )
        if repeat == 1:
            options.data_out, options.data_size_out = c.addressof(out), len(out)
        _check(library().bpf_prog_test_run_opts(self.fd, c.byref(options)), "run the program")
        return Run(options.retval, out.raw[: options.data_size_out], options.duration)


class Link(Descriptor):
    """A program's hold on an interface. It ends with its last descriptor, unless it is pinned."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.read()

    def read(self) -> None:
        """Look again: ``ifindex`` is 0 once the interface is gone."""
        info = _LinkInfo()
        _info(self.fd, info)
        self.id: int = info.id
        self.program_id: int = info.prog_id
        self.ifindex: int = info.ifindex

    @classmethod
    def pinned(cls, path: Path) -> Self:
        return cls(_get(path))

    @classmethod
    def attach(cls, program: Program, ifindex: int, mode: Mode) -> Self:
        """Raises BpfFailed; its ``errno`` tells why."""
        options = _LinkCreateOptions(sz=_LinkCreateOptions.rest.offset, flags=_MODE_FLAGS[mode])
        fd = library().bpf_link_create(program.fd, ifindex, ATTACH_XDP, c.byref(options))
        return cls(_check(fd, f"attach to interface {ifindex} ({mode})"))

    def update(self, program: Program) -> None:
        """Another program, with no packet seen by neither."""
        _check(library().bpf_link_update(self.fd, program.fd, None), "replace the program")
        self.read()

    def detach(self) -> None:
        _check(library().bpf_link_detach(self.fd), "detach")


class Attached(NamedTuple):
    """What is on an interface; program 0 is none."""

    program_id: int
    mode: Mode | None


def attached(ifindex: int) -> Attached:
    """What XDP program an interface of the current network namespace has."""
    options = _XdpQueryOptions(sz=c.sizeof(_XdpQueryOptions))
    _check(library().bpf_xdp_query(ifindex, 0, c.byref(options)), f"ask interface {ifindex}")
    if options.drv_prog_id:
        return Attached(options.drv_prog_id, Mode.NATIVE)
    if options.skb_prog_id:
        return Attached(options.skb_prog_id, Mode.GENERIC)
    return Attached(options.prog_id, None)


class MapDefinition:
    """A map of an object that is not loaded yet."""

    def __init__(self, pointer: int) -> None:
        lib = library()
        self._pointer = pointer
        self.name: str = lib.bpf_map__name(pointer).decode()
        self.internal: bool = lib.bpf_map__is_internal(pointer)
        self.shape = Shape(
            lib.bpf_map__type(pointer),
            lib.bpf_map__key_size(pointer),
            lib.bpf_map__value_size(pointer),
            lib.bpf_map__max_entries(pointer),
            lib.bpf_map__map_flags(pointer),
        )
        self.btf_ids = (lib.bpf_map__btf_key_type_id(pointer), lib.bpf_map__btf_value_type_id(pointer))
        inner = lib.bpf_map__inner_map(pointer)
        self.inner: MapDefinition | None = MapDefinition(inner) if inner else None

    def reuse(self, existing: Map) -> None:
        """When the object is loaded it uses ``existing``."""
        _check(library().bpf_map__reuse_fd(self._pointer, existing.fd), f"reuse map {self.name}")

    def open(self) -> Map:
        """The map, once the object is loaded; it stays when the object is closed."""
        return Map(os.dup(_check(library().bpf_map__fd(self._pointer), f"open map {self.name}")))

    def initial_value(self) -> c.Array[c.c_char]:
        """Memory of an internal map (``.rodata``) before loading, to be written to."""
        size = c.c_size_t()
        pointer = library().bpf_map__initial_value(self._pointer, c.byref(size))
        if not pointer:
            raise BrokenObject(f"its section {self.name} has no value", ())
        return (c.c_char * size.value).from_address(pointer)


class Object:
    """A compiled file of programs and maps, opened, then loaded. Close it; what was opened from it stays."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises EnvironmentLacks without libbpf, BrokenObject when ``data`` is not such a file."""
        self.name = name
        self._log = c.create_string_buffer(LOG_SIZE)
        options = _OpenOptions(
            sz=c.sizeof(_OpenOptions),
            object_name=name.encode(),
            kernel_log_buf=c.addressof(self._log),
            kernel_log_size=len(self._log),
        )
        _said.clear()
        pointer = library().bpf_object__open_mem(data, len(data), c.byref(options))
        if not pointer:
            raise BrokenObject("libbpf cannot read it", tuple(_said))
        self._pointer: int = pointer
        self._data = data
        self._closing = weakref.finalize(self, library().bpf_object__close, pointer)
        self.maps: dict[str, MapDefinition] = {}
        # The kernel is told of pins by us alone.
        found = library().bpf_object__next_map(pointer, None)
        while found:
            definition = MapDefinition(found)
            self.maps[definition.name] = definition
            if not definition.internal:
                library().bpf_map__set_pin_path(found, None)
            found = library().bpf_object__next_map(pointer, found)

    def close(self) -> None:
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def btf(self) -> bytes:
        """Its type information, raw."""
        size = c.c_uint32()
        types = library().bpf_object__btf(self._pointer)
        raw = library().btf__raw_data(types, c.byref(size)) if types else None
        if not raw:
            raise BrokenObject("no type information (BTF) in it: compile with -g", ())
        return c.string_at(raw, size.value)

    def load(self) -> None:
        """Make maps and programs in the kernel.

        Raises EnvironmentLacks without privileges or with a kernel too old, VerifierRefused, BpfFailed.
        """
        _said.clear()
        if library().bpf_object__load(self._pointer) < 0:
            number, log = c.get_errno(), self._log.value.decode(errors="replace")
            if number == errno.EPERM and os.geteuid() != 0:
                raise no_privileges(f"load {self.name}")
            missing = self._missing(log)
            if missing:
                raise kernel_too_old(missing)
            if number in (errno.EPERM, errno.EACCES) and not log:
                raise no_privileges(f"load {self.name}")
            raise VerifierRefused(self.name, number, log, tuple(_said))

    def program(self, name: str) -> Program:
        """A loaded program. Raises BrokenObject when the object has none of this name."""
        pointer = library().bpf_object__find_program_by_name(self._pointer, name.encode())
        if not pointer:
            raise BrokenObject(f"no program {name} in it", ())
        return Program(os.dup(_check(library().bpf_program__fd(pointer), f"open program {name}")))

    def _missing(self, log: str) -> tuple[str, ...]:
        """What the object uses and this kernel has not: helpers as the verifier names them, types of maps."""
        types = {one.shape.type for one in self.maps.values()}
        absent = [one for one in sorted(types) if library().libbpf_probe_bpf_map_type(one, None) == 0]
        return (
            *(f"helper {name}" for name in _NO_HELPER.findall(log)),
            *(f"map type {one}" for one in absent),
        )
