"""Where a process of the lab runs: its namespace and control groups, as a prefix to its command."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from rempart.lab.processes import running
from rempart.model.base import Value

_NAMED = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
_ENTER = 'for group in {groups}; do echo $$ >"$group/cgroup.procs" || exit 70; done; exec "$@"'


class Place(Value):
    """A namespace that exists, with its caps. What starts here stays here, and so do its children."""

    namespace: str
    groups: tuple[Path, ...] = ()
    """Control groups (folders) to be in."""
    cores: tuple[int, ...] = ()
    """Processors to stay on where there is no cpuset to be in."""
    resolv_conf: Path | None = None
    """What stands in the place of ``/etc/resolv.conf``: the host's resolver is out of reach in a namespace,
    and programs that wait for it in vain stand still."""

    def command(self, argv: Sequence[str]) -> list[str]:
        """``argv`` as it is started in this place. The process that is started becomes ``argv``, same pid."""
        groups = " ".join(shlex.quote(str(group)) for group in self.groups)
        enter = _ENTER.format(groups=groups) if groups else 'exec "$@"'
        pin = ["taskset", "--cpu-list", ",".join(map(str, self.cores))] if self.cores else []
        named: list[str] = []
        if self.resolv_conf is not None:
            own_mounts = ["unshare", "--mount", "--propagation", "private"]
            named = [*own_mounts, "sh", "-c", _NAMED, str(self.resolv_conf)]
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}"]
        return ["sh", "-c", enter, "sh", *inside, *named, *pin, *argv]

    @contextlib.contextmanager
    def running(
        self, argv: Sequence[str], *, log: Path, env: dict[str, str] | None = None
    ) -> Iterator[psutil.Process]:
        """``argv`` here while the block runs; killed with its children after it."""
        with running(self.command(argv), log=log, env=env) as process:
            yield process
