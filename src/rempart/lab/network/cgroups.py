"""Control groups of a run: caps on processor time, and its account. Version 1 and version 2; without either
a cap is only a choice of processors, and the report says so."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Iterator
from pathlib import Path

from rempart.lab.network.world import CpuCap
from rempart.model.base import Value

PERIOD_US = 50_000
"""Caps are kept within each period: short, so that a capped edge stutters by milliseconds and not by
tenths."""

WHOLE_WEIGHT = 8_192
"""Of a run against what else the machine does (each process has 1,024): a drill should measure its edge,
not its neighbours."""


class Hierarchies(Value):
    """Where this machine has its control groups. ``v1``: controller → mount point."""

    v1: dict[str, Path]
    v2: Path | None

    @property
    def words(self) -> str:
        """For the report: how caps are kept here."""
        if self.v1:
            return "cgroup v1"
        return "cgroup v2" if self.v2 else "no control groups: processors are pinned, nothing is capped"


def hierarchies(mounts: str, v2_controllers: str) -> Hierarchies:
    """Read ``/proc/mounts`` and the root's ``cgroup.controllers``. Pure."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in mounts.splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup":
            for controller in {"cpu", "cpuacct", "cpuset"} & set(options.split(",")):
                v1[controller] = Path(place)
        elif kind == "cgroup2" and {"cpu", "cpuset"} <= set(v2_controllers.split()):
            v2 = Path(place)
    return Hierarchies(v1=v1, v2=None if v1 else v2)


def here() -> Hierarchies:
    mounts = Path("/proc/mounts").read_text()
    controllers = ""
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            with contextlib.suppress(OSError):
                controllers = (Path(place) / "cgroup.controllers").read_text()
    return hierarchies(mounts, controllers)


def settings(cap: CpuCap, found: Hierarchies) -> dict[str, dict[str, str]]:
    """Controller (or ``v2``) → file → text, for one capped group. Pure."""
    cores = ",".join(map(str, cap.cores))
    quota = str(int(cap.share * PERIOD_US)) if cap.share is not None else None
    if found.v2 is not None:
        # cpu.weight's 1…10,000 with 100 as usual is cpu.shares' 2…262,144 with 1,024.
        files = {"cpu.weight": str(max(1, min(10_000, cap.weight * 100 // 1024)))}
        files["cpu.max"] = f"{quota or 'max'} {PERIOD_US}"
        return {"v2": files | ({"cpuset.cpus": cores} if cores else {})}
    wanted: dict[str, dict[str, str]] = {}
    if "cpu" in found.v1:
        wanted["cpu"] = {"cpu.shares": str(cap.weight)}
        if quota is not None:
            wanted["cpu"] |= {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": quota}
    if "cpuacct" in found.v1:
        wanted.setdefault("cpuacct", {})
    if "cpuset" in found.v1 and cores:
        wanted["cpuset"] = {"cpuset.cpus": cores}
    return wanted


def folders(name: str, found: Hierarchies) -> tuple[Path, ...]:
    """The folders in which a run of this name has its groups."""
    roots = [found.v2] if found.v2 else list(dict.fromkeys(found.v1.values()))
    return tuple(root / name for root in roots if root is not None)


LIFTED = {"cpu.cfs_quota_us": "-1", "cpu.max": f"max {PERIOD_US}"}
"""What is written into a file of a quota for there to be none."""


class Group:
    """The control group of one namespace of a run."""

    def __init__(self, name: str, role: str, cap: CpuCap, found: Hierarchies) -> None:
        self._usage: Path | None = None
        self._quota: tuple[Path, str] | None = None
        self.places: tuple[Path, ...] = ()
        for controller, files in settings(cap, found).items():
            root = found.v1.get(controller) or found.v2 or Path("/sys/fs/cgroup")
            folder = root / name / role
            _prepare(root, root / name, folder, controller)
            for file, text in files.items():
                (folder / file).write_text(text)
                if file in LIFTED:
                    self._quota = folder / file, text
            if controller in ("cpuacct", "v2"):
                self._usage = folder / ("cpuacct.usage" if controller == "cpuacct" else "cpu.stat")
            if folder not in self.places:
                self.places = (*self.places, folder)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Without the quota while the block runs."""
        if self._quota is None:
            yield
            return
        file, text = self._quota
        file.write_text(LIFTED[file.name])
        try:
            yield
        finally:
            file.write_text(text)

    def take(self, pid: int, *, seconds: float = 2.0) -> None:
        """Move a kernel thread here. One that has only just been made is not ready for it: EINVAL."""
        deadline = time.monotonic() + seconds
        for place in self.places:
            while True:
                try:
                    (place / "cgroup.procs").write_text(str(pid))
                    break
                except OSError as error:
                    if error.errno != errno.EINVAL or time.monotonic() > deadline:
                        raise
                time.sleep(0.01)

    def cpu_seconds(self) -> float | None:
        """Processor time spent here so far; None where the machine keeps no such account."""
        if self._usage is None:
            return None
        text = self._usage.read_text()
        if self._usage.name == "cpuacct.usage":
            return int(text) / 1e9
        return int(text.split("usage_usec", 1)[1].split()[0]) / 1e6


def _prepare(root: Path, parent: Path, folder: Path, controller: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if controller == "cpu":
        (parent / "cpu.shares").write_text(str(WHOLE_WEIGHT))
    if controller == "cpuset":
        # A version 1 cpuset is empty until told, and cannot hold more than its parent.
        for file in ("cpuset.cpus", "cpuset.mems"):
            whole = (root / file).read_text()
            (parent / file).write_text(whole)
            (folder / file).write_text(whole)
    if controller == "v2":
        for above in (root, parent):
            (above / "cgroup.subtree_control").write_text("+cpu +cpuset")
        (parent / "cpu.weight").write_text(str(WHOLE_WEIGHT * 100 // 1024))


def remove(folder: Path, *, seconds: float = 5.0) -> None:
    """Remove a run's groups; kernel threads in them go back to the root, processes must be gone already."""
    deadline = time.monotonic() + seconds
    while folder.exists() and time.monotonic() < deadline:
        for group in (*folder.glob("*/"), folder):
            with contextlib.suppress(OSError):
                for pid in (group / "cgroup.procs").read_text().split():
                    with contextlib.suppress(OSError):
                        (folder.parent / "cgroup.procs").write_text(pid)
            with contextlib.suppress(OSError):
                group.rmdir()
        if folder.exists():
            time.sleep(0.02)
