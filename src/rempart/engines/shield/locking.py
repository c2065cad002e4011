"""A file or folder as a lock between processes: waited for a while, dropped by the kernel with its holder."""

from __future__ import annotations

import fcntl
import time

from rempart.model.errors import Conflict

LOCK_SECONDS = 10.0
_POLL_SECONDS = 0.005


def lock(descriptor: int, what: str, seconds: float = LOCK_SECONDS) -> None:
    """Lock what ``descriptor`` is of, until that is closed. ``what``: what another process may be doing.

    Raises Conflict when another process keeps it for ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Conflict(
                    f"another process {what} and does not end", hint="wait for it, or end it"
                ) from None
            time.sleep(_POLL_SECONDS)
        else:
            return
