"""One process at a time works on a state folder's store: the controller's service, or a command without it.

The kernel drops the lock with its holder, so nothing is left behind by a crash.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rempart.model.configuration import StatePaths
from rempart.model.errors import Conflict, EnvironmentLacks


@contextmanager
def hold(paths: StatePaths, *, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock; Conflict when another process still has it after ``seconds``."""
    try:
        descriptor = os.open(paths.controller / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise EnvironmentLacks(
            str(paths.controller),
            f"{paths.controller} cannot be used: {error.strerror}",
            hint="run this as the user that Rempart was set up with, or as root",
        ) from error
    try:
        _take(descriptor, paths, time.monotonic() + seconds)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, paths: StatePaths, deadline: float) -> None:
    owner = paths.controller.stat()
    if os.geteuid() == 0 and os.fstat(descriptor).st_uid != owner.st_uid:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise Conflict(
                    f"another process works on {paths.controller} and does not answer",
                    hint="the controller starts or ends, or another command runs: try again in a moment",
                ) from error
            time.sleep(0.05)
