"""Engines without root: how they are started, and whether one that runs was started like that.

Where it stands: ``engines.py`` puts ``confined`` before the engines' commands when the supervisor is root.
Engines read configuration files that the node's user writes, and such a file can name programs to run and
modules to load. So whoever reads it must be nobody much: the engine's own user from its first instruction,
with the one capability to bind ports below 1024, and no way to gain another.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rempart.node.processes import find_program

PROGRAM = "setpriv"
"""From util-linux, which Debian cannot be without; see setpriv(1)."""
CAP_NET_BIND_SERVICE = 10
"""linux/capability.h"""
ALLOWED = 1 << CAP_NET_BIND_SERVICE
_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def confined(command: Sequence[str], uid: int, gid: int) -> tuple[str, ...]:
    """``command`` as this user and group, without any other group; the process number stays the same."""
    only = "-all,+net_bind_service"
    return (
        PROGRAM,
        f"--reuid={uid}",
        f"--regid={gid}",
        "--clear-groups",
        f"--inh-caps={only}",
        f"--ambient-caps={only}",
        f"--bounding-set={only}",
        "--no-new-privs",
        "--",
        find_program(command[0]) or command[0],
        *command[1:],
    )


def is_confined(pid: int, uid: int) -> bool:
    """Whether a process can do no more than one that was started by ``confined``; False when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return (
        set(status["Uid"]) == {str(uid)}
        and "0" not in (*status["Gid"], *status["Groups"])
        and status["NoNewPrivs"] == ["1"]
        and all(int(status[name][0], 16) & ~ALLOWED == 0 for name in _SETS)
    )
