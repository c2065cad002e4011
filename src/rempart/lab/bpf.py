"""The few calls of the kernel's BPF that the packet floods need, by ctypes over ``libbpf.so.1``.

Programs are written here as instructions (``Instructions``, RFC 9669): two of some twenty are no reason for a
compiler. Shapes are those of libbpf's ``bpf.h`` and Linux' ``uapi/linux/bpf.h``; descriptors are plain
numbers that whoever asked for them closes.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import struct
import sys
from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from rempart.model.errors import EnvironmentLacks

LIBRARY, PACKAGE = "libbpf.so.1", "libbpf1"
LEAST_KERNEL = (5, 18)
"""The first Linux that sends what a program makes of test packets (BPF_F_TEST_XDP_LIVE_FRAMES)."""

_MAP_TYPE_ARRAY, _MMAPABLE = 2, 1 << 10
_MAP_TYPE_TRIE, _NO_PREALLOCATION = 11, 1
_ATTACH_XDP, _XDP_GENERIC, _XDP_DRIVER = 37, 1 << 1, 1 << 2
XDP_DROP, XDP_PASS = 1, 2
"""What an XDP program gives back to have a packet dropped, or passed to the kernel."""
_LIVE_FRAMES = 1 << 1
_PSEUDO_MAP, _PSEUDO_MAP_VALUE = 1, 2


class Kind(IntEnum):
    """Program types."""

    XDP = 6
    RAW_TRACEPOINT = 17


class Helper(IntEnum):
    """Functions of the kernel that a program may call (``bpf-helpers(7)``)."""

    MAP_LOOKUP = 1
    TAIL_CALL = 12
    REDIRECT = 23
    ADJUST_TAIL = 65
    """bpf_xdp_adjust_tail."""
    CURRENT_PROCESS = 120
    """bpf_get_ns_current_pid_tgid: numbers as the process's own pid namespace has them."""
    STORE_BYTES = 190
    """bpf_xdp_store_bytes."""


class Instructions:
    """A program, written one instruction after the other. Registers are numbers, 10 is the stack's top; jumps
    count the instructions that are left out (a wide one is two)."""

    def __init__(self) -> None:
        self._code = bytearray()

    def __bytes__(self) -> bytes:
        return bytes(self._code)

    def _add(self, operation: int, to: int = 0, of: int = 0, offset: int = 0, value: int = 0) -> Instructions:
        self._code += struct.pack("<BBhi", operation, to | of << 4, offset, value)
        return self

    def copy(self, to: int, of: int) -> Instructions:
        return self._add(0xBF, to, of)

    def constant(self, to: int, value: int) -> Instructions:
        return self._wide(to, 0, value & 0xFFFFFFFF, value >> 32)

    def map(self, to: int, descriptor: int) -> Instructions:
        return self._wide(to, _PSEUDO_MAP, descriptor, 0)

    def address(self, to: int, descriptor: int) -> Instructions:
        """The address of an array map's first value."""
        return self._wide(to, _PSEUDO_MAP_VALUE, descriptor, 0)

    def _wide(self, to: int, kind: int, low: int, high: int) -> Instructions:
        # As the kernel reads it, each half is a signed number.
        low, high = struct.unpack("<ii", struct.pack("<II", low, high))
        return self._add(0x18, to, kind, value=low)._add(0, value=high)

    def load16(self, to: int, base: int, offset: int) -> Instructions:
        return self._add(0x69, to, base, offset)

    def load32(self, to: int, base: int, offset: int) -> Instructions:
        return self._add(0x61, to, base, offset)

    def load64(self, to: int, base: int, offset: int) -> Instructions:
        return self._add(0x79, to, base, offset)

    def store32(self, base: int, offset: int, of: int) -> Instructions:
        return self._add(0x63, base, of, offset)

    def store64(self, base: int, offset: int, of: int) -> Instructions:
        return self._add(0x7B, base, of, offset)

    def add(self, to: int, value: int) -> Instructions:
        return self._add(0x07, to, value=value)

    def add_register(self, to: int, of: int) -> Instructions:
        return self._add(0x0F, to, of)

    def subtract_register(self, to: int, of: int) -> Instructions:
        return self._add(0x1F, to, of)

    def low_half(self, register: int) -> Instructions:
        """Clear a register's upper 32 bits."""
        return self._add(0xBC, register, register)

    def skip_if_less(self, register: int, value: int, count: int) -> Instructions:
        return self._add(0xA5, register, offset=count, value=value)

    def skip_if_greater(self, register: int, other: int, count: int) -> Instructions:
        """Both are registers."""
        return self._add(0x2D, register, other, offset=count)

    def skip_if_equal(self, register: int, value: int, count: int) -> Instructions:
        return self._add(0x15, register, offset=count, value=value)

    def skip_unless_equal(self, register: int, value: int, count: int) -> Instructions:
        return self._add(0x55, register, offset=count, value=value)

    def call(self, helper: Helper) -> Instructions:
        return self._add(0x85, value=helper)

    def exit(self) -> Instructions:
        return self._add(0x95)


class Array:
    """An array map whose values this process reads and writes as memory, beside the program."""

    def __init__(self, name: str, value_size: int, count: int) -> None:
        options = _MapOptions(size=ctypes.sizeof(_MapOptions), map_flags=_MMAPABLE)
        self.descriptor = _checked(
            _library().bpf_map_create(
                _MAP_TYPE_ARRAY, name.encode(), 4, value_size, count, ctypes.byref(options)
            ),
            "making a map",
        )
        each = -(-value_size // 8) * 8
        pages = -(-each * count // mmap.PAGESIZE)
        memory = mmap.mmap(self.descriptor, pages * mmap.PAGESIZE)
        octets: npt.NDArray[np.uint8] = np.frombuffer(memory, dtype=np.uint8)
        self.rows = octets[: each * count].reshape(count, each)[:, :value_size]
        """Octets of every value, (count, value_size)."""

    def close(self) -> None:
        """The memory stays as long as something looks at it."""
        os.close(self.descriptor)


def prefixes(name: str, known: Sequence[tuple[bytes, int]]) -> int:
    """A trie of IPv4 prefixes (address, length), looked up with length 32; its descriptor."""
    options = _MapOptions(size=ctypes.sizeof(_MapOptions), map_flags=_NO_PREALLOCATION)
    made = _library().bpf_map_create(
        _MAP_TYPE_TRIE, name.encode(), 8, 4, max(1, len(known)), ctypes.byref(options)
    )
    trie = _checked(made, "making a map")
    try:
        for address, length in known:
            key = length.to_bytes(4, sys.byteorder) + address
            _checked(_library().bpf_map_update_elem(trie, key, bytes(4), 0), "filling a map")
    except BaseException:
        os.close(trie)
        raise
    return trie


def load(kind: Kind, name: str, program: Instructions) -> int:
    """Have the kernel verify and take a program; its descriptor."""
    code = bytes(program)
    # Named as libbpf names it, so that programs of both can call each other.
    options = _LoadOptions(
        size=ctypes.sizeof(_LoadOptions), expected_attach_type=_ATTACH_XDP if kind is Kind.XDP else 0
    )
    found: int = _library().bpf_prog_load(
        kind, name.encode(), b"GPL", code, len(code) // 8, ctypes.byref(options)
    )
    return _checked(found, f"loading the program {name}")


def attach_to_tracepoint(name: str, program: int) -> int:
    """Run a program at each passing of a tracepoint while the descriptor is open."""
    return _checked(_library().bpf_raw_tracepoint_open(name.encode(), program), f"attaching to {name}")


def attach_xdp(interface_index: int, program: int, *, generic: bool) -> int:
    """Attach to an interface of this thread's namespace while the descriptor is open. ``generic``: to one
    whose driver knows nothing of XDP."""
    options = _LinkOptions(size=ctypes.sizeof(_LinkOptions), flags=_XDP_GENERIC if generic else _XDP_DRIVER)
    made = _library().bpf_link_create(program, interface_index, _ATTACH_XDP, ctypes.byref(options))
    return _checked(made, "attaching a program")


def run_on_live_frames(program: int, frame: bytes, count: int) -> None:
    """Run an XDP program ``count`` times on a frame of this length; what it redirects is sent."""
    options = _RunOptions(
        size=ctypes.sizeof(_RunOptions),
        data_in=frame,
        data_size_in=len(frame),
        repeat=count,
        flags=_LIVE_FRAMES,
    )
    done = _library().bpf_prog_test_run_opts(program, ctypes.byref(options))
    # A signal ends it early; who counts what was sent knows how much that was.
    if done != -errno.EINTR:
        _checked(done, "sending frames from a program")


def lacking() -> str | None:
    """Why this machine cannot send frames from a program; None: it can, as far as one sees without trying."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if release < LEAST_KERNEL:
        least = ".".join(map(str, LEAST_KERNEL))
        return f"Linux {least} is needed to send built frames, this is {os.uname().release}"
    try:
        _library()
    except EnvironmentLacks as error:
        return str(error)
    return None


class _MapOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("btf", ctypes.c_uint32 * 4), ("inner_map", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32), ("map_extra", ctypes.c_uint64), ("numa_node", ctypes.c_uint32),
        ("interface", ctypes.c_uint32),
    ]  # fmt: skip


class _LoadOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("attempts", ctypes.c_int), ("expected_attach_type", ctypes.c_uint32),
    ]  # fmt: skip


class _LinkOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("flags", ctypes.c_uint32), ("target_btf", ctypes.c_uint32)]


class _RunOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t), ("data_in", ctypes.c_char_p), ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32), ("data_size_out", ctypes.c_uint32),
        ("context_in", ctypes.c_void_p), ("context_out", ctypes.c_void_p),
        ("context_size_in", ctypes.c_uint32), ("context_size_out", ctypes.c_uint32),
        ("result", ctypes.c_uint32), ("repeat", ctypes.c_int), ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32), ("cpu", ctypes.c_uint32), ("batch_size", ctypes.c_uint32),
    ]  # fmt: skip


@functools.cache
def _library() -> ctypes.CDLL:
    try:
        found = ctypes.CDLL(LIBRARY, use_errno=True)
    except OSError:
        raise EnvironmentLacks(
            LIBRARY, f"{LIBRARY} is not installed", hint=f"apt-get install {PACKAGE}"
        ) from None
    number, text, pointer = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
    found.bpf_map_create.argtypes = (number, text, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, pointer)
    found.bpf_map_update_elem.argtypes = (number, text, text, ctypes.c_uint64)
    found.bpf_prog_load.argtypes = (number, text, text, text, ctypes.c_size_t, pointer)
    found.bpf_prog_test_run_opts.argtypes = (number, pointer)
    found.bpf_raw_tracepoint_open.argtypes = (text, number)
    found.bpf_link_create.argtypes = (number, number, number, pointer)
    return found


def _checked(result: int, what: str) -> int:
    """A descriptor, or EnvironmentLacks: libbpf gives errors as negative numbers (since 1.0)."""
    if result < 0:
        raise EnvironmentLacks(
            "BPF",
            f"{what}: {os.strerror(-result)}",
            hint="root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON) is needed",
        )
    return result
