"""How long the shield takes for a packet: the kernel's own test run of a program (``BPF_PROG_TEST_RUN``,
``Documentation/bpf/bpf_prog_run.rst``), which runs it so many times and says the average.

A program that answers has rewritten its frame; the next run would see the answer. And a flood is not one
frame. So a few instructions can be put before the shield, which lay out the next of a row of frames and
then go on into it by a tail call, as into any other program. What they cost is measured with a program
behind them that does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rempart.engines.shield.libbpf import Kind, Map, MapType, Program
from rempart.lab import bpf
from rempart.lab.attacks.packets import Frames
from rempart.lab.bpf import Array, Helper, Instructions

_DATA, _DATA_END = 0, 4
"""Where a packet begins and ends: fields of ``struct xdp_md``."""


@contextmanager
def nothing() -> Iterator[Program]:
    """The smallest XDP program there is: pass."""
    with bpf.load(Kind.XDP, "nothing", Instructions().constant(0, bpf.XDP_PASS).exit()) as program:
        yield program


class Laid:
    """A row of frames, and a program that lays out one after the other and goes on into ``behind``."""

    def __init__(self, frames: Frames, behind: Program) -> None:
        count, self._length = frames.shape
        self._array, self._next = Array("frames", self._length, count), Array("next", 4, 1)
        self._array.rows[:] = frames
        self._calls = Map.create(MapType.PROG_ARRAY, "behind", 4, 4, 1)
        self._program = bpf.load(
            Kind.XDP,
            "laid",
            laying(self._array.map, self._next.map, count, self._length, self._calls),
        )
        self._calls.update(bytes(4), behind.fd.to_bytes(4, "little"))
        self._first = frames[0].tobytes()

    def run(self, repeat: int) -> int:
        """Nanoseconds a frame, laying out included."""
        return self._program.run(self._first, repeat).nanoseconds

    def close(self) -> None:
        for one in (self._array, self._next, self._calls, self._program):
            one.close()


def laying(frames: Map, place: Map, count: int, length: int, behind: Map) -> Instructions:
    """Give the packet length and octets of the frame at ``place``, go on by one, call what is ``behind``."""
    program = Instructions().copy(6, 1)
    program.load32(2, 6, _DATA_END).load32(3, 6, _DATA).subtract_register(2, 3)
    program.constant(3, length).subtract_register(3, 2).skip_if_equal(3, 0, 3)
    program.copy(1, 6).copy(2, 3).call(Helper.ADJUST_TAIL)
    program.address(1, place).load32(2, 1, 0)
    program.copy(3, 2).add(3, 1).skip_if_less(3, count, 2).constant(3, 0).store32(1, 0, 3)
    program.store32(10, -4, 2)
    program.map(1, frames).copy(2, 10).add(2, -4).call(Helper.MAP_LOOKUP)
    program.skip_unless_equal(0, 0, 1).exit()
    program.copy(3, 0).copy(1, 6).constant(2, 0).constant(4, length).call(Helper.STORE_BYTES)
    program.copy(1, 6).map(2, behind).constant(3, 0).call(Helper.TAIL_CALL)
    # Nobody was behind: 0 is XDP_ABORTED.
    return program.constant(0, 0).exit()
