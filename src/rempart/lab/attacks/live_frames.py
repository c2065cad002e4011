"""Frames that the kernel sends by itself, from pages of its own, without a socket and a copy for each.

``BPF_PROG_TEST_RUN`` with live frames (``Documentation/bpf/bpf_prog_run.rst``; the way of xdp-trafficgen)
runs an XDP program so many times in one system call, and what the program redirects leaves by that
interface. Ours takes one built frame after the other:

    numpy ──writes──► array map (memory of both) ──the program copies one──► page ──redirect──► the interface

How many an interface took, neither the call nor the program learns: a second program at the kernel's
tracepoint ``xdp_devmap_xmit`` counts it, for this process alone.
"""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import numpy as np

from rempart.engines.shield.libbpf import (
    Descriptor,
    Kind,
    Link,
    Map,
    Mode,
    Program,
    attach_to_tracepoint,
)
from rempart.lab import bpf
from rempart.lab.bpf import Array, Helper, Instructions
from rempart.lab.network.inside import unshare_network

LOOPBACK_INDEX = 1
"""Of a namespace's loopback, always."""


class Taken:
    """Counts the frames of this process that interfaces took."""

    def __init__(self) -> None:
        self._count = Array("taken", 8, 1)
        self._seen = self._count.rows.view(np.uint64)
        self._program = bpf.load(Kind.RAW_TRACEPOINT, "taken", counting(self._count.map))
        self._attached = attach_to_tracepoint("xdp_devmap_xmit", self._program)

    @property
    def total(self) -> int:
        return int(self._seen[0, 0])

    def close(self) -> None:
        for one in (self._attached, self._program, self._count):
            one.close()


class LiveFrames:
    """Equally long frames that leave by one interface, one after the other and round again.

    Without an interface they are made and let go, which says what making them costs.
    ``frames`` can be written at any time between two calls of ``send``.
    """

    def __init__(self, interface: str | None, count: int, length: int, taken: Taken) -> None:
        self._taken = taken
        self._blank = bytes(length)
        self._array = Array("frames", length, count)
        self._next = Array("next", 4, 1)
        self._place = self._next.rows.view(np.uint32)
        self.frames = self._array.rows
        index = None if interface is None else socket.if_nametoindex(interface)
        self._program = bpf.load(
            Kind.XDP, "frames", sending(self._array.map, self._next.map, count, length, index)
        )
        self._kept = kept_at_hand(self._program)

    @property
    def frame_length(self) -> int:
        return len(self._blank)

    def send(self, first: int, count: int) -> int:
        """Send ``count`` frames from the ``first`` on; how many the interface took."""
        self._place[0, 0] = first
        before = self._taken.total
        self._program.run_on_live_frames(self._blank, count)
        return self._taken.total - before

    def close(self) -> None:
        for one in (*self._kept, self._program, self._array, self._next):
            one.close()


def sending(frames: Map, place: Map, count: int, length: int, interface: int | None) -> Instructions:
    """Copy the frame at ``place`` (a map with its number) over the packet, go on by one, redirect; drop it
    when there is no interface."""
    program = Instructions().copy(6, 1)
    program.address(1, place).load32(2, 1, 0)
    program.copy(3, 2).add(3, 1).skip_if_less(3, count, 2).constant(3, 0).store32(1, 0, 3)
    program.store32(10, -4, 2)
    program.map(1, frames).copy(2, 10).add(2, -4).call(Helper.MAP_LOOKUP)
    # Nothing found (which cannot be): 0 is XDP_ABORTED.
    program.skip_unless_equal(0, 0, 1).exit()
    program.copy(3, 0).copy(1, 6).constant(2, 0).constant(4, length).call(Helper.STORE_BYTES)
    if interface is None:
        return program.constant(0, bpf.XDP_DROP).exit()
    return program.constant(1, interface).constant(2, 0).call(Helper.REDIRECT).exit()


def counting(total: Map) -> Instructions:
    """Add what was sent to the map ``total`` when it was this process that sent it.

    The tracepoint's arguments: from, to, sent, drops, error (``trace/events/xdp.h``); ``sent`` is an int.
    """
    own = Path("/proc/self/ns/pid").stat()
    program = Instructions().copy(6, 1)
    program.constant(1, own.st_dev).constant(2, own.st_ino).copy(3, 10).add(3, -8).constant(4, 8)
    program.call(Helper.CURRENT_PROCESS)
    # Refused: a process of another pid namespace, so not this one.
    program.skip_if_equal(0, 0, 3).constant(0, 0).exit()
    program.load32(1, 10, -4).skip_unless_equal(1, os.getpid(), 7)
    program.load64(2, 6, 16).low_half(2)
    program.address(1, total).load64(3, 1, 0).add_register(3, 2).store64(1, 0, 3)
    return program.constant(0, 0).exit()


def kept_at_hand(program: Program) -> tuple[Link, Descriptor]:
    """Attach a program where nothing ever passes: the loopback of an empty namespace, which is down.

    The kernel keeps the programs that are attached in a table of direct calls. It enters one that is not and
    takes it out again with each test run, waiting tens of milliseconds for all processors each time.
    """
    made: list[tuple[Link, Descriptor]] = []
    failure: list[Exception] = []

    def attach() -> None:
        try:
            unshare_network()
            namespace = Descriptor(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
            made.append((Link.attach(program, LOOPBACK_INDEX, Mode.GENERIC), namespace))
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=attach)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return made[0]
