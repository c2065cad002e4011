"""Folders for rehearsals and tests, and the end of whatever was started in them when their maker is killed;
namespaces and control groups of drills likewise (``network.remains``).

Servers are sessions of their own and outlive whoever started them, as they must in the field; a test that is
killed would leave them running for ever. So each process that makes such a folder has a watcher, which
waits for its end, however it comes, and then kills what runs in its folders and removes them. A watcher
that was killed too is made up for by the next process that makes a folder.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil
from pydantic import ValidationError

from rempart.lab.network import remains
from rempart.model.configuration import Configuration
from rempart.node.processes import STATE_VARIABLE, ProcessIdentity, identify, is_alive

PLACE = Path("/tmp")  # noqa: S108 - the path of a Unix socket has 107 bytes
PREFIX = "rp-"
OWNER = ".owner"
ROUNDS = 5


def short_folder() -> Path:
    """A new folder with a short path, for its owner alone. It is removed when this process has ended."""
    _watch()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=PLACE))
    me = identify(os.getpid())
    if me is not None:
        (folder / OWNER).write_text(me.model_dump_json())
    return folder


def sweep() -> None:
    """End and remove what dead processes have left behind. What living ones have is not touched."""
    remains.sweep()
    for folder in sorted(PLACE.glob(f"{PREFIX}*")):
        if _is_left(folder):
            for _ in range(ROUNDS):
                victims = list(_running_in(folder))
                for process in victims:
                    with contextlib.suppress(psutil.Error):
                        process.send_signal(signal.SIGKILL)
                if not victims:
                    break
                psutil.wait_procs(victims, timeout=2)
            forget_pins(folder)
            shutil.rmtree(folder, ignore_errors=True)


def forget_pins(folder: Path) -> None:
    """Detach and forget the packet shield of an instance in this folder, which outlives all its processes."""
    pins = Configuration(state=folder / "state").shield_pins
    with contextlib.suppress(OSError):  # not root's business, then there is none
        if pins.is_dir():
            from rempart.engines.shield import loader

            loader.remove(pins)


def _is_left(folder: Path) -> bool:
    """Whether we made the folder and are dead. Whoever else makes one like it cannot have it swept by us."""
    try:
        descriptor = os.open(folder / OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    with os.fdopen(descriptor) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return False
        try:
            return not is_alive(ProcessIdentity.model_validate_json(file.read(1_000)))
        except ValidationError:
            return False


def _running_in(folder: Path) -> Iterator[psutil.Process]:
    """Processes that were started with something in the folder, and what they have started."""
    seen: set[int] = {os.getpid()}
    for process in psutil.process_iter():
        if process.pid in seen or not _is_in(process, folder):
            continue
        with contextlib.suppress(psutil.Error):
            for one in (process, *process.children(recursive=True)):
                if one.pid not in seen:
                    seen.add(one.pid)
                    yield one


def _is_in(process: psutil.Process, folder: Path) -> bool:
    inside = re.compile(rf"{re.escape(str(folder))}(?:[/,]|$)")
    with contextlib.suppress(psutil.Error, OSError):
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        words = (*process.cmdline(), process.environ().get(STATE_VARIABLE, ""), process.cwd())
        # From the word's beginning: a shell whose script only speaks of the folder is somebody else's.
        if any(inside.match(word) for word in words):
            return True
        outputs = (Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in (1, 2))
        return any(inside.match(str(output)) for output in outputs)
    return False


@cache
def _watch() -> None:
    """Start this process's watcher, and make up for those that did not live to do their work."""
    sweep()
    reading, writing = os.pipe()
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", "rempart.lab.leftovers", str(os.getpid())],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, reading, 0),
                (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
            ],
            # Out of the reach of what is sent to the terminal's group.
            setsid=True,
        )
    finally:
        os.close(reading)
    # ``writing`` stays open as long as this process lives, and nobody inherits it.
    os.set_inheritable(writing, False)


def main(maker: ProcessIdentity | None) -> None:
    """Wait for the end of ``maker``, who holds the other end of standard input, then sweep."""
    os.chdir("/")
    while os.read(0, 1):
        pass
    # A process that ends closes its files first.
    while maker is not None and is_alive(maker):
        time.sleep(0.05)
    sweep()


if __name__ == "__main__":
    main(identify(int(sys.argv[1])))
