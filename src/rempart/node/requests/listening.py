"""The socket that HAProxy tells of requests on: datagrams, gathered tick by tick. The rim: a socket.

A sender never waits: what does not fit the queue is lost, and counts as not sampled. Linux lets ten datagrams
wait unless told otherwise; as root the part asks for more before it leaves root behind (``raise_queue``).
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from pathlib import Path

from rempart.model.errors import EnvironmentLacks

LINE_BYTES_MAX = 1_024
LINES_MOST = 4_096
"""Of one tick; what is more stays in the queue, and is lost when that is full."""
QUEUE = 512
"""What systemd sets as well."""
_NAP_S = 0.01
_QUEUE_FILE = Path("/proc/sys/net/unix/max_dgram_qlen")


def raise_queue() -> None:
    """Let more datagrams wait, in this network namespace. Where that is not allowed, fewer wait."""
    with contextlib.suppress(OSError, ValueError):
        if int(_QUEUE_FILE.read_text()) < QUEUE:
            _QUEUE_FILE.write_text(str(QUEUE))


class RequestSocket:
    """Bound while it lives."""

    def __init__(self, path: Path) -> None:
        """EnvironmentLacks when nothing can be bound there."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        fresh = path.with_name(f".{path.name}.new")
        try:
            fresh.unlink(missing_ok=True)
            self._socket.bind(str(fresh))
            # Its folder's group is HAProxy's; see state_folders.
            fresh.chmod(0o660)
            fresh.replace(path)
        except OSError as error:
            self._socket.close()
            raise EnvironmentLacks(
                str(path), f"{path} cannot be bound: {error.strerror}", hint="rempart up makes the folder"
            ) from error
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        # Where many may wait, reading rarely is cheaper; where few may, each is read at once.
        self._nap_s = _NAP_S if _queue_length() >= QUEUE else 0.0

    def gather(self, until: float) -> list[bytes]:
        """What waits, and what comes until then (monotonic seconds)."""
        lines: list[bytes] = []
        receive = self._socket.recv
        while True:
            left = max(0.0, until - time.monotonic())
            if len(lines) >= LINES_MOST:
                time.sleep(left)
                break
            # What waits is taken even by a loop that is late: one that took nothing would see no attack.
            if not self._poll.poll(left * 1000):
                break
            with contextlib.suppress(BlockingIOError):
                while len(lines) < LINES_MOST:
                    lines.append(receive(LINE_BYTES_MAX))
            if not left:
                break
            if self._nap_s:
                time.sleep(min(self._nap_s, max(0.0, until - time.monotonic())))
        return lines

    def close(self) -> None:
        self._socket.close()
        with contextlib.suppress(OSError):
            self._path.unlink()


def _queue_length() -> int:
    try:
        return int(_QUEUE_FILE.read_text())
    except (OSError, ValueError):
        return 0
