"""Captures: the program shows one packet in so many with up to 1,536 bytes, for as long as somebody writes
them down.

One at a time, under a lock that the kernel drops with its holder, so that the part can tell a capture that
goes on from one that was killed, and switch that off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rempart.engines.shield import layout, ring, tables
from rempart.engines.shield.capture import CaptureFile
from rempart.engines.shield.layout import Flag, Verdict
from rempart.engines.shield.lists import clock
from rempart.engines.shield.loader import Shield
from rempart.model.configuration import StatePaths
from rempart.model.errors import Conflict, EnvironmentLacks

LOCK = "capture.lock"
_FIRST = bytes(4)


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture came to."""

    packets: int
    lost: int
    """Packets that came faster than they could be written."""


def capture(
    paths: StatePaths, shield: Shield, file: BinaryIO, *, seconds: float, every: int, dropped: bool
) -> Captured:
    """Write packets to ``file`` for ``seconds``, or until Ctrl-C. ``dropped``: only those dropped or
    answered.

    Raises Conflict when another capture runs.
    """
    with _alone(paths) as alone:
        if not alone:
            raise Conflict("another capture runs", hint="wait for its end, or end it")
        reader = ring.Ring(shield.maps["captures"])
        reader.skip()
        names = dict(socket.if_nameindex())
        written, _, before = 0, *tables.lost(shield)
        into = CaptureFile(file, names, layout.CAPTURE_SNAP)
        switch(shield, every)
        try:
            deadline = time.monotonic() + seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - time.monotonic()) > 0:
                    reader.wait(min(left, 0.2))
                    found = ring.samples(reader.read(), layout.CAPTURE_SNAP)
                    wanted = (one for one in found if not dropped or one.verdict != Verdict.PASS)
                    written += into.write(wanted, clock())
        finally:
            switch(shield, None)
            reader.close()
        return Captured(written, tables.lost(shield)[1] - before)


def switch(shield: Shield, every: int | None) -> None:
    """Have one packet in ``every`` (a power of two) shown; None: none."""
    with shield.lock():
        raw = shield.maps["config"].lookup(_FIRST)
        record = np.frombuffer(raw or bytes(layout.CONFIG.itemsize), layout.CONFIG)[0].copy()
        flags = Flag(int(record["flags"]))
        record["flags"] = int(flags & ~Flag.CAPTURING if every is None else flags | Flag.CAPTURING)
        record["capture_mask"] = layout.SAMPLE_NONE if every is None else every - 1
        shield.maps["config"].update(_FIRST, record.tobytes())


def end_forgotten(paths: StatePaths, shield: Shield) -> bool:
    """Switch off a capture whose writer was killed; whether there was one."""
    if not tables.flags(shield) & Flag.CAPTURING:
        return False
    with _alone(paths) as alone:
        if alone:
            switch(shield, None)
        return alone


@contextlib.contextmanager
def _alone(paths: StatePaths) -> Iterator[bool]:
    path: Path = paths.shield / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o660)
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
