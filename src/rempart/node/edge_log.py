"""The lines HAProxy logs about what went wrong, from a datagram socket into a bounded file.

Where it stands: the node owns ``run/node/haproxy-log.sock`` and appends to ``log/edge.log``, which the
supervisor keeps short. A sender never waits: what is not read in time is dropped by the kernel and counted
by HAProxy. An attacker who provokes errors therefore costs at most LINES_PER_SECOND.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

LINES_PER_SECOND = 2_000
LINE_BYTES_MAX = 4_096
_BATCH = 128
_CONTROL = bytes(range(32)) + b"\x7f"
_BLANKED = bytes.maketrans(_CONTROL, b" " * len(_CONTROL))


class EdgeLog:
    """Reads the socket while its loop runs."""

    def __init__(self, socket_path: Path, log: Path) -> None:
        self._path = socket_path
        self._output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        with contextlib.suppress(FileNotFoundError):
            socket_path.unlink()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(socket_path))
        # Its folder's group is HAProxy's; see state_folders.
        socket_path.chmod(0o660)
        self._left = LINES_PER_SECOND
        self._broken = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.TimerHandle | None = None
        self.lines = 0
        """Lines written since the start."""
        self.pauses = 0
        """Times that reading was suspended because there were too many."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        loop.add_reader(self._socket, self._read, loop)
        self._next = loop.call_later(1.0, self._refill, loop)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Stop for good."""
        if self._next is not None:
            self._next.cancel()
        if self._loop is not None and not self._loop.is_closed():
            # A loop that still knows the number of a closed descriptor is deaf to the next one that gets it.
            self._loop.remove_reader(self._socket)
        self._socket.close()
        os.close(self._output)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        lines: list[bytes] = []
        while len(lines) < min(_BATCH, self._left):
            try:
                lines.append(self._socket.recv(LINE_BYTES_MAX).translate(_BLANKED).rstrip() + b"\n")
            except BlockingIOError:
                break
        if lines:
            self._append(b"".join(lines))
        self.lines += len(lines)
        self._left -= len(lines)
        if self._left <= 0:
            self.pauses += 1
            loop.remove_reader(self._socket)

    def _append(self, text: bytes) -> None:
        """A full disk costs lines, not the node; a line of which only a part went in is ended first."""
        if self._broken:
            text = b"\n" + text
        rest = text
        with contextlib.suppress(OSError):
            while rest:
                rest = rest[os.write(self._output, rest) :]
        written = len(text) - len(rest)
        if written:
            self._broken = not text[:written].endswith(b"\n")

    def _refill(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._left <= 0:
            loop.add_reader(self._socket, self._read, loop)
        self._left = LINES_PER_SECOND
        self._next = loop.call_later(1.0, self._refill, loop)
