"""Ring buffers of the kernel (BPF_MAP_TYPE_RINGBUF), read from shared memory with no call for each record.

Documentation/bpf/ringbuf.rst of Linux: a page that the reader writes (how far it has read), a page that the
kernel writes (how far it has written), and the data twice in a row, so that a record over the end is whole.
There is one reader: who reads takes away.
"""

from __future__ import annotations

import mmap
import os
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rempart.engines.shield import layout
from rempart.engines.shield.layout import Reason, Verdict
from rempart.engines.shield.libbpf import Map, MapType

_BUSY, _DISCARDED = 1 << 31, 1 << 30
_LENGTH = _DISCARDED - 1
_HEADER = 8
_POSITION = struct.Struct("=Q")
_FIRST_WORD = struct.Struct("=I")


class Ring:
    """The reader's side of one ring buffer."""

    def __init__(self, table: Map) -> None:
        if table.type != MapType.RINGBUF:
            raise ValueError(f"map {table.name} is no ring buffer")
        page = os.sysconf("SC_PAGE_SIZE")
        self._size = table.max_entries
        self._table = table
        self._consumer = mmap.mmap(table.fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._producer = mmap.mmap(
            table.fd, page + 2 * self._size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page
        )
        self._data = memoryview(self._producer)[page:]
        self._poll = select.poll()
        self._poll.register(table.fd, select.POLLIN)

    def close(self) -> None:
        self._data.release()
        self._producer.close()
        self._consumer.close()

    def wait(self, seconds: float) -> bool:
        """Until there is something to read, or the time is over."""
        return bool(self._poll.poll(seconds * 1_000))

    def skip(self) -> None:
        """Pass over everything that is in it now."""
        self._consumer[:8] = self._producer[:8]

    def read(self, most: int = 10_000) -> list[bytes]:
        """Up to ``most`` records, oldest first."""
        (position,) = _POSITION.unpack_from(self._consumer)
        (end,) = _POSITION.unpack_from(self._producer)
        found: list[bytes] = []
        mask = self._size - 1
        try:
            while position < end and len(found) < most:
                at = position & mask
                (word,) = _FIRST_WORD.unpack_from(self._data, at)
                if word & _BUSY:  # still being written; what comes after waits for it
                    break
                length = word & _LENGTH
                if not word & _DISCARDED:
                    found.append(bytes(self._data[at + _HEADER : at + _HEADER + length]))
                position += (length + _HEADER + 7) & ~7
        finally:
            _POSITION.pack_into(self._consumer, 0, position)
        return found


@dataclass(frozen=True, slots=True)
class Samples:
    """Packets that the program has shown us: what it made of them, and how they began."""

    rows: Any
    """Array of ``layout.SAMPLE``."""
    frames: Any
    """Array of bytes, shape (samples, 128 or 1,536); of each row ``captured`` mean something."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Sample]:
        for row, frame in zip(self.rows, self.frames, strict=True):
            yield Sample(
                time=int(row["time"]),
                interface=int(row["interface"]),
                length=int(row["length"]),
                verdict=Verdict(int(row["verdict"])),
                reason=Reason(int(row["reason"])),
                rule=int(row["rule"]),
                frame=frame[: int(row["captured"])].tobytes(),
            )


@dataclass(frozen=True, slots=True)
class Sample:
    """One packet."""

    time: int
    """CLOCK_MONOTONIC, nanoseconds."""
    interface: int
    length: int
    """Of the frame as it came; ``frame`` may be cut off."""
    verdict: Verdict
    reason: Reason
    rule: int
    """The rule that decided, or asked to see it; 0 is none."""
    frame: bytes


def samples(records: list[bytes], snap: int = layout.SNAP) -> Samples:
    """Records of the ring ``samples`` (or ``captures``, with ``layout.CAPTURE_SNAP``) as arrays."""
    size = layout.SAMPLE.itemsize + snap
    whole = [one for one in records if len(one) >= size]
    raw = np.frombuffer(b"".join(one[:size] for one in whole), np.uint8).reshape(len(whole), size)
    rows = np.ascontiguousarray(raw[:, : layout.SAMPLE.itemsize]).view(layout.SAMPLE).reshape(len(whole))
    return Samples(rows, raw[:, layout.SAMPLE.itemsize :])
