"""Small BPF programs, written as instructions, and maps to go with them: what the packet floods need.

Programs are written here (``Instructions``, RFC 9669): two of some twenty are no reason for a compiler. Maps,
programs and links are those of ``engines.shield.libbpf``; they end when they are closed or forgotten.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence
from enum import IntEnum

from rempart.engines.shield.libbpf import MMAPABLE, NO_PREALLOCATION, Kind, Map, MapType, Program, library
from rempart.model.errors import EnvironmentLacks

LEAST_KERNEL = (5, 18)
"""The first Linux that sends what a program makes of test packets (BPF_F_TEST_XDP_LIVE_FRAMES)."""
XDP_DROP, XDP_PASS = 1, 2
"""What an XDP program gives back to have a packet dropped, or passed to the kernel."""
_PSEUDO_MAP, _PSEUDO_MAP_VALUE = 1, 2


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

    def map(self, to: int, map_: Map) -> Instructions:
        return self._wide(to, _PSEUDO_MAP, map_.fd, 0)

    def address(self, to: int, map_: Map) -> Instructions:
        """The address of an array map's first value."""
        return self._wide(to, _PSEUDO_MAP_VALUE, map_.fd, 0)

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
        self.map = Map.create(MapType.ARRAY, name, 4, value_size, count, MMAPABLE)
        self.rows = self.map.memory().reshape(count, self.map.stride)[:, :value_size]
        """Octets of every value, (count, value_size)."""

    def close(self) -> None:
        """The memory stays as long as something looks at it."""
        self.map.close()


def prefixes(name: str, known: Sequence[tuple[bytes, int]]) -> Map:
    """A trie of IPv4 prefixes (address, length), looked up with length 32."""
    trie = Map.create(MapType.LPM_TRIE, name, 8, 4, max(1, len(known)), NO_PREALLOCATION)
    for address, length in known:
        trie.update(length.to_bytes(4, sys.byteorder) + address, bytes(4))
    return trie


def load(kind: Kind, name: str, program: Instructions) -> Program:
    """Have the kernel verify and take a program."""
    return Program.load(kind, name, bytes(program))


def lacking() -> str | None:
    """Why this machine cannot send frames from a program; None: it can, as far as one sees without trying."""
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if release < LEAST_KERNEL:
        least = ".".join(map(str, LEAST_KERNEL))
        return f"Linux {least} is needed to send built frames, this is {os.uname().release}"
    try:
        library()
    except EnvironmentLacks as error:
        return str(error)
    return None
