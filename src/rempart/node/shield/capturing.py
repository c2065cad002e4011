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

from rempart.engines.shield import layout, loader, ring, tables
from rempart.engines.shield.capture import CaptureFile
from rempart.engines.shield.layout import Flag, Verdict
from rempart.engines.shield.lists import clock
from rempart.engines.shield.loader import Shield
from rempart.model.configuration import StatePaths
from rempart.model.errors import Conflict, EnvironmentLacks, NotFound

LOCK = "capture.lock"
LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture came to."""

    packets: int
    lost: int
    """Packets that came faster than they could be written."""
    cut_short: str = ""
    """Why it ended before its time."""


def capture(
    paths: StatePaths, shield: Shield, file: BinaryIO, *, seconds: float, every: int, dropped: bool
) -> Captured:
    """Write packets to ``file`` for ``seconds``, or until Ctrl-C. ``dropped``: only those dropped or
    answered. It goes on when another program is loaded meanwhile.

    Raises Conflict when another capture runs, or when the shield is kept by another process.
    """
    with _alone(paths) as alone:
        if not alone:
            raise Conflict("another capture runs", hint="wait for its end, or end it")
        written = 0
        into = CaptureFile(file, dict(socket.if_nameindex()), layout.CAPTURE_SNAP)
        shown = _Shown(shield, every)
        try:
            deadline = time.monotonic() + seconds
            with contextlib.suppress(KeyboardInterrupt):
                while (left := deadline - time.monotonic()) > 0 and not shown.gone:
                    found = shown.read(min(left, 0.2))
                    wanted = (one for one in found if not dropped or one.verdict != Verdict.PASS)
                    written += into.write(wanted, clock())
        finally:
            shown.close()
        return Captured(written, shown.lost, shown.gone)


class _Shown:
    """Packets that the program shows while this is open, whoever changes its settings or loads another."""

    def __init__(self, shield: Shield, every: int) -> None:
        self._every = every
        self._adopted: list[Shield] = []
        self.lost = 0
        self.gone = ""
        """Why no more packets come."""
        # A flood leaves whoever holds the lock little time: it is waited for longer than elsewhere.
        self._begin(shield, PATIENCE_SECONDS)

    def _begin(self, shield: Shield, seconds: float) -> None:
        self._shield = shield
        self._reader = ring.Ring(shield.maps["captures"])
        self._reader.skip()
        self._lost_before = tables.lost(shield)[1]
        self._look_due = time.monotonic() + LOOK_SECONDS
        tables.capture(shield, self._every, seconds=seconds)

    def _end(self) -> None:
        self._reader.close()
        self.lost += tables.lost(self._shield)[1] - self._lost_before

    def read(self, seconds: float) -> ring.Samples:
        """What comes within that time."""
        self._reader.wait(seconds)
        found = ring.samples(self._reader.read(), layout.CAPTURE_SNAP)
        if time.monotonic() >= self._look_due:
            self._look_due = time.monotonic() + LOOK_SECONDS
            self._look()
        return found

    def _look(self) -> None:
        """Whether the program still shows them, and is still the one."""
        try:
            if not self._shield.is_current:
                fresh = loader.adopt(_folder(self._shield))
                self._end()
                self._adopted.append(fresh)
                self._begin(fresh, LOOK_SECONDS)
            elif not tables.flags(self._shield) & Flag.CAPTURING:
                tables.capture(self._shield, self._every, seconds=LOOK_SECONDS)
        except Conflict:
            pass  # somebody is at it: the next look is in a moment
        except NotFound:
            self.gone = "the packet shield was taken out of the kernel"

    def close(self) -> None:
        """Have none shown any more. Where the lock cannot be had the part does it, once we are gone."""
        with contextlib.suppress(Conflict, NotFound):
            tables.capture(self._shield, None, seconds=END_SECONDS)
        self._end()
        for one in self._adopted:
            one.close()


def _folder(shield: Shield) -> Path:
    if shield.folder is None:
        raise ValueError("a shield that is not pinned has no successor")
    return shield.folder


def end_forgotten(paths: StatePaths, shield: Shield) -> bool:
    """Switch off a capture whose writer was killed; whether there was one."""
    if not tables.flags(shield) & Flag.CAPTURING:
        return False
    with _alone(paths) as alone:
        if alone:
            tables.capture(shield, None)
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
