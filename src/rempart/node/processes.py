"""Processes as the kernel knows them: which one it is, starting one that outlives us, being told of its end.

Where it stands: below ``supervisor.py``. A part is started without any pipe to its supervisor and in a
session of its own, so that the supervisor's death, even by SIGKILL, changes nothing for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from rempart.model.base import Value
from rempart.model.errors import EnvironmentLacks
from rempart.node.search_path import FIRST_DESCRIPTOR, through_descriptors

BINARY_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
STATE_VARIABLE = "REMPART_STATE"
PART_VARIABLE = "REMPART_PART"


class ProcessIdentity(Value):
    """One process, never mistaken for a later one with the same number."""

    pid: int
    started: int
    """Clock ticks after boot, field 22 of ``/proc/PID/stat``; see proc(5)."""
    boot: str
    """``/proc/sys/kernel/random/boot_id``: ticks start anew with each boot."""


def identify(pid: int) -> ProcessIdentity | None:
    """The process that has this number now; None when there is none, or only its unreaped remains."""
    fields = _stat_fields(pid)
    if fields is None or fields[0] in ("Z", "X"):
        return None
    return ProcessIdentity(pid=pid, started=int(fields[19]), boot=_boot_id())


def is_alive(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs."""
    return identify(identity.pid) == identity


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], search_path: Sequence[Path] = ()
) -> ProcessIdentity:
    """Start ``command`` in its own session, its output appended to ``log``, nothing to read.

    A Python process imports from the folders of ``search_path``, if any; see ``search_path.py``.
    Raises EnvironmentLacks when the program cannot be executed.
    """
    program = find_program(command[0])
    if program is None:
        raise EnvironmentLacks(command[0], f"{command[0]} is not installed")
    environment = dict(environment)
    if search_path:
        environment["PYTHONPATH"] = through_descriptors(search_path)
    append = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    try:
        pid = os.posix_spawn(
            program,
            list(command),
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o640),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *(
                    (os.POSIX_SPAWN_OPEN, number, str(folder), os.O_PATH | os.O_DIRECTORY, 0)
                    for number, folder in enumerate(search_path, FIRST_DESCRIPTOR)
                ),
            ],
            setsid=True,
            # Python ignores SIGPIPE and SIGXFSZ; the supervisor blocks and handles others.
            setsigmask=[],
            setsigdef=[
                signal.SIGPIPE,
                signal.SIGXFSZ,
                signal.SIGINT,
                signal.SIGTERM,
                signal.SIGHUP,
                signal.SIGUSR1,
                signal.SIGUSR2,
                signal.SIGCHLD,
            ],
        )
    except OSError as error:
        raise EnvironmentLacks(program, f"{program} cannot be executed: {error.strerror}") from error
    identity = identify(pid)
    # A child that died at once still is a zombie of ours, so its number cannot have been given away.
    return identity or ProcessIdentity(pid=pid, started=-1, boot=_boot_id())


def open_pidfd(identity: ProcessIdentity) -> int | None:
    """A descriptor that becomes readable when this process ends, child or not; None when it is gone.

    The identity is looked at again once the descriptor is held: from then on it cannot change.
    """
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if identity.started != -1 and not is_alive(identity):
        os.close(descriptor)
        return None
    return descriptor


def reap() -> dict[int, int]:
    """Exit statuses (as of ``os.waitstatus_to_exitcode``) of all children that have ended, by pid."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = os.waitstatus_to_exitcode(status)


def marked(state: Path, part: str, users: Collection[int]) -> ProcessIdentity | None:
    """A process of this part and state folder that no record was written of, found by its environment.

    Anybody can give a process an environment, so only those that run as one of ``users`` count.
    This closes the moment between starting a part and writing its record. Of a process and its children
    (HAProxy's master and workers) the eldest is meant.
    """
    wanted = {STATE_VARIABLE: str(state), PART_VARIABLE: part}
    family: dict[int, int] = {}
    for process in psutil.process_iter():
        try:
            if process.uids().real not in users:
                continue
            environment = process.environ()
            if wanted.items() <= environment.items() and process.status() != psutil.STATUS_ZOMBIE:
                family[process.pid] = process.ppid()
        except (psutil.Error, OSError):
            continue
    eldest = [pid for pid, parent in family.items() if parent not in family]
    return identify(min(eldest)) if eldest else None


def find_program(name: str) -> str | None:
    """The path of a program; engines lie in sbin folders that a user's PATH may lack."""
    if "/" in name:
        return name if os.access(name, os.X_OK) else None
    for folder in (*os.environ.get("PATH", "").split(":"), *BINARY_FOLDERS):
        # A PATH handed down by root may name folders that we may not even look into: access() then says no.
        path = Path(folder) / name
        if folder.startswith("/") and os.access(path, os.X_OK) and path.is_file():
            return str(path)
    return None


def programs_missing(programs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Those of (program, Debian package) that are not installed."""
    return tuple((name, package) for name, package in programs if find_program(name) is None)


def _stat_fields(pid: int) -> list[str] | None:
    """Fields 3 and on of ``/proc/PID/stat``; the second, a name in parentheses, may hold anything."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
