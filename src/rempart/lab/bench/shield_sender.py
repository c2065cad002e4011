"""Sends a flood as fast as it goes: ``python -m rempart.lab.bench.shield_sender FRAMES WAY INTERFACE
SECONDS``.

``FRAMES`` is a file of numpy's with one frame in each row; they are sent one after the other and round
again. The first round is not measured, so that caches, tables and the kernel's pools of pages are as in the
middle of a flood. One line of JSON says what became of it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import numpy as np

from rempart.lab.attacks.live_frames import LiveFrames, Taken
from rempart.lab.attacks.packets import BATCH
from rempart.lab.bench.shield_socket import PacketSocket
from rempart.model.base import Value


class Way(StrEnum):
    """How frames leave."""

    LIVE = "as a driver hands them over"
    SOCKET = "by a socket"
    NOWHERE = "not at all"
    """They are made as for LIVE, and let go."""


class Sent(Value):
    """What a sender did. Processor time is on the account of this process, with the kernel's: also what the
    kernel does at once, or in softirq, with packets that it sends."""

    offered: int
    """Frames handed over, first round included."""
    taken: int
    """Frames that the interface took."""
    measured: int
    """Frames handed over while time was measured."""
    cpu_ns: int
    wall_ns: int


Send = Callable[[int, int], int]
"""From a row on so many; how many were taken."""


def send(frames: Path, way: Way, interface: str, seconds: float) -> Sent:
    """Send until the time is over."""
    rows = np.load(frames)
    with contextlib.ExitStack() as stack:
        if way is Way.SOCKET:
            return _sent(
                stack.enter_context(contextlib.closing(PacketSocket(interface, rows))).send,
                len(rows),
                seconds,
            )
        counted = stack.enter_context(contextlib.closing(Taken()))
        leaving = interface if way is Way.LIVE else None
        live = stack.enter_context(contextlib.closing(LiveFrames(leaving, len(rows), rows.shape[1], counted)))
        live.frames[:] = rows
        return _sent(live.send, len(rows), seconds)


def _sent(once: Send, count: int, seconds: float) -> Sent:
    taken = sum(once(first, min(BATCH, count - first)) for first in range(0, count, BATCH))
    offered = first = 0
    cpu, wall = time.process_time_ns(), time.monotonic_ns()
    end = wall + int(seconds * 1e9)
    while time.monotonic_ns() < end:
        some = min(BATCH, count - first)
        taken += once(first, some)
        offered += some
        first = (first + some) % count
    return Sent(
        offered=offered + count,
        taken=taken,
        measured=offered,
        cpu_ns=time.process_time_ns() - cpu,
        wall_ns=time.monotonic_ns() - wall,
    )


if __name__ == "__main__":
    path, way, interface, seconds = sys.argv[1:]
    sys.stdout.write(send(Path(path), Way(way), interface, float(seconds)).model_dump_json() + "\n")
