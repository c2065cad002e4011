"""What is on disk about running parts: one file each, for the next supervisor and ``rempart status``.

Where it stands: the supervisor writes, everybody reads. A record names the process so that a later one with
the same number is never taken for it.
"""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from rempart.model.base import Value
from rempart.model.configuration import StatePaths
from rempart.node.processes import ProcessIdentity, identify, is_alive

CONTROLLER, NODE, GATE, HAPROXY, KNOT = "controller", "node", "gate", "haproxy", "knot"
SHIELD, DEFENCE = "shield", "defence"
NEEDED = (CONTROLLER, NODE, GATE, DEFENCE, HAPROXY, KNOT)
"""What runs always; the packet shield only where it can."""
PARTS = (SHIELD, *NEEDED)
"""All parts, in the order in which they are started."""


class PartState(Value):
    """One part, as the supervisor last wrote it."""

    name: str
    phase: str
    """``running``, ``idle`` (waits for its boot file), ``waiting`` (dead, restart is due), ``stopping``,
    ``stopped``; or ``dead``: should run, but its process is gone and nobody has restarted it yet."""
    process: ProcessIdentity | None = None
    version: str = ""
    since: datetime
    starts: int = 0
    """How often this supervisor has started or adopted it."""
    adopted: bool = False
    last_exit: str = ""
    """Why it ended last time, in words; empty when it has not."""

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    @property
    def up(self) -> bool:
        return self.phase in ("running", "stopping")


def parts_folder(paths: StatePaths) -> Path:
    return paths.run / "parts"


def settings_mark(paths: StatePaths, name: str) -> Path:
    """The file in which the node says which settings an engine's boot files were made from."""
    return paths.node / f"{name}.settings"


def read_part(paths: StatePaths, name: str) -> PartState | None:
    """The record of a part with its process looked at now; None when there is none that can be read."""
    try:
        state = PartState.model_validate_json((parts_folder(paths) / f"{name}.json").read_bytes())
    except (OSError, ValidationError):
        return None
    if state.process is not None and not is_alive(state.process):
        return state.model_copy(update={"phase": "dead" if state.up else state.phase, "process": None})
    return state


def read_parts(paths: StatePaths) -> tuple[PartState, ...]:
    """All parts that have a record, in the order of PARTS."""
    return tuple(state for name in PARTS if (state := read_part(paths, name)) is not None)


def write_part(paths: StatePaths, state: PartState) -> None:
    """Write a record atomically; whoever reads sees the old or the new one."""
    path = parts_folder(paths) / f"{state.name}.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(state.model_dump_json() + "\n")
    fresh.chmod(0o644)
    fresh.replace(path)


def take_lock(paths: StatePaths) -> int | None:
    """The descriptor of the lock that a state folder's supervisor holds; None when another has it."""
    # Only its owner may open it: whoever can open a file can also lock it.
    descriptor = os.open(paths.run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    record = paths.run / "supervisor.json"
    if (me := identify(os.getpid())) is not None:
        record.write_text(me.model_dump_json() + "\n")
        record.chmod(0o644)
    return descriptor


def supervisor_pid(paths: StatePaths) -> int | None:
    """The running supervisor's process number; None when none runs."""
    try:
        identity = ProcessIdentity.model_validate_json((paths.run / "supervisor.json").read_bytes())
    except (OSError, ValidationError):
        return None
    return identity.pid if is_alive(identity) else None
