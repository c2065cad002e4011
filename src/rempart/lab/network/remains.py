"""What a run has made is written down before it is made, so that it can be cleared away when the run was
killed: namespaces with all processes in them, and control groups. Who clears is ``lab.leftovers``, which
does the same for folders: the watcher of the process that was killed, or whoever runs next.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from pathlib import Path

import psutil
from pydantic import ValidationError

from rempart.lab.network import cgroups
from rempart.lab.network.inside import NAMESPACES
from rempart.model.base import Value
from rempart.node.processes import ProcessIdentity, is_alive

RUNS = Path("/run/rempart-lab")
ROUNDS = 10


class Run(Value):
    """One run's belongings, and whose they are."""

    name: str
    owner: ProcessIdentity
    namespaces: tuple[str, ...]
    groups: tuple[Path, ...]


def note(run: Run) -> None:
    """Write down a run's belongings."""
    RUNS.mkdir(mode=0o755, exist_ok=True)
    fresh = RUNS / f".{run.name}.new"
    fresh.write_text(run.model_dump_json())
    fresh.rename(RUNS / f"{run.name}.json")


def sweep() -> tuple[str, ...]:
    """Clear what runs have left whose process is gone; their names. Only root can have made any."""
    swept = []
    for file in sorted(RUNS.glob("*.json")) if os.geteuid() == 0 else ():
        with contextlib.suppress(FileNotFoundError, ValidationError):
            run = Run.model_validate_json(file.read_text())
            if not is_alive(run.owner):
                clear(run)
                swept.append(run.name)
    return tuple(swept)


def clear(run: Run) -> None:
    """End every process of a run and remove all that it made. What is gone already, or goes by another's
    hand at the same time, is no error."""
    from pyroute2 import netns

    kill_in(run.namespaces)
    for namespace in run.namespaces:
        if (NAMESPACES / namespace).exists():
            try:
                netns.remove(namespace)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EINVAL):
                    raise
    for group in run.groups:
        cgroups.remove(group)
    (RUNS / f"{run.name}.json").unlink(missing_ok=True)


def kill_in(namespaces: tuple[str, ...]) -> None:
    """SIGKILL to all that runs in these namespaces, until nothing does."""
    inodes = set()
    for namespace in namespaces:
        with contextlib.suppress(FileNotFoundError):
            inodes.add((NAMESPACES / namespace).stat().st_ino)
    for _ in range(ROUNDS):
        found = [process for process in psutil.process_iter() if _inode(process.pid) in inodes]
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        if not found:
            return
        psutil.wait_procs(found, timeout=1)


def _inode(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    return None
