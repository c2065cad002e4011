"""Captures as pcapng files (draft-ietf-opsawg-pcapng), which Wireshark and tcpdump read.

Each packet carries what became of it: the option ``epb_verdict`` with the number that XDP was given, and a
comment with the reason and the rule.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from rempart.engines.shield.entries import Clock
from rempart.engines.shield.ring import Sample

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER = 0x1A2B3C4D
ETHERNET = 1
"""LINKTYPE_ETHERNET."""
NANOSECONDS = 9
_END, _COMMENT = 0, 1
_APPLICATION = 4
_NAME, _RESOLUTION = 2, 9
_VERDICT = 7
_LINUX_XDP = 2
_UNKNOWN_LENGTH = -1


class CaptureFile:
    """Writes packets to an open file as they come; what is written is a whole file at any time."""

    def __init__(self, file: BinaryIO, interfaces: Mapping[int, str], snap: int) -> None:
        """``interfaces``: names by index; of packets of others the file gets to know on the way."""
        self._file = file
        self._snap = snap
        self._numbers: dict[int, int] = {}
        self._names = dict(interfaces)
        options = _option(_APPLICATION, b"Rempart packet shield") + _option(_END, b"")
        self._block(SECTION, struct.pack("=IHHq", BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH) + options)
        for index in interfaces:
            self._interface(index)

    def write(self, samples: Iterable[Sample], clock: Clock) -> int:
        """Append packets; how many. ``clock``: both clocks at one moment, to tell the time of day."""
        written = 0
        for sample in samples:
            self._packet(sample, clock)
            written += 1
        self._file.flush()
        return written

    def _interface(self, index: int) -> int:
        if index not in self._numbers:
            name = self._names.get(index, f"interface {index}")
            options = _option(_NAME, name.encode()) + _option(_RESOLUTION, bytes((NANOSECONDS,)))
            body = struct.pack("=HHI", ETHERNET, 0, self._snap) + options + _option(_END, b"")
            self._block(INTERFACE, body)
            self._numbers[index] = len(self._numbers)
        return self._numbers[index]

    def _packet(self, sample: Sample, clock: Clock) -> None:
        at = clock.to_unix(sample.time)
        number = self._interface(sample.interface)
        head = struct.pack(
            "=IIIII",
            number,
            at >> 32,
            at & 0xFFFFFFFF,
            len(sample.frame),
            max(sample.length, len(sample.frame)),
        )
        options = (
            _option(_COMMENT, comment(sample).encode())
            + _option(_VERDICT, struct.pack("=BQ", _LINUX_XDP, sample.verdict))
            + _option(_END, b"")
        )
        self._block(PACKET, head + _padded(sample.frame) + options)

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("=I", len(body) + 12)
        self._file.write(struct.pack("=I", kind) + length + body + length)


def comment(sample: Sample) -> str:
    """What became of a packet, in words: ``DROP_RULE: a rule drops it (rule 7)``."""
    rule = f" (rule {sample.rule})" if sample.rule else ""
    return f"{sample.reason.name}: {sample.reason.text}{rule}"


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("=HH", code, len(value)) + _padded(value)


def _padded(value: bytes) -> bytes:
    return value + bytes(-len(value) % 4)
