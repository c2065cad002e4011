"""State folders with short paths, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from rempart.lab.leftovers import short_folder


@pytest.fixture
def state() -> Iterator[Path]:
    """An empty folder for state; whatever still runs from it is killed at the end."""
    folder = short_folder()
    folder.chmod(0o755)
    yield folder / "state"
    for _ in range(3):
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and any(str(folder) in word for word in process.cmdline()):
                    process.send_signal(signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


T = TypeVar("T")


def eventually(look: Callable[[], T], *, seconds: float = 60.0) -> T:
    """What ``look`` returns once that is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"did not happen within {seconds:g} s"
        time.sleep(0.02)
    return seen
