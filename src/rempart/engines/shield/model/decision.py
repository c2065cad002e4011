"""What the oracle answers about one packet."""

from __future__ import annotations

import struct
from typing import NamedTuple

from rempart.engines.shield.layout import Reason, Verdict

_SAMPLE = struct.Struct("<QIIHBBI64s")


class Sample(NamedTuple):
    """What a ring buffer gets about a packet (`struct sample`)."""

    time: int
    interface: int
    reason: Reason
    rule: int
    vector: bytes
    frame: bytes
    snap: int

    def packed(self) -> bytes:
        """As it stands in the ring buffer of a little-endian machine, captured bytes behind it."""
        captured = self.frame[: self.snap]
        length, verdict = len(self.frame), self.reason.verdict
        head = (
            self.time,
            self.interface,
            length,
            len(captured),
            verdict,
            self.reason,
            self.rule,
            self.vector,
        )
        return _SAMPLE.pack(*head) + captured


class Decision(NamedTuple):
    """What becomes of one packet, why, and what is told about it.

    `rule` is the id of the rule that decided, or 0; `frame_out` the frame afterwards (as it came, unless it
    is an answer); `samples` and `captures` in the order in which they are put.
    """

    verdict: Verdict
    reason: Reason
    rule: int
    vector: bytes
    frame_out: bytes
    samples: tuple[Sample, ...]
    captures: tuple[Sample, ...]
