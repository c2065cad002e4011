"""The bpf file system, in which the kernel keeps what is pinned: mounted where it is not, and made ours."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from rempart.engines.shield.refusals import no_bpffs

BPFFS = Path("/sys/fs/bpf")
MOUNTS = Path("/proc/self/mountinfo")
_TRAVERSE = 0o011
_NOSUID_NODEV_NOEXEC = 2 | 4 | 8


def prepare(folder: Path, owner: tuple[int, int] | None = None) -> None:
    """Have ``folder`` on a bpf file system, mounting one when there is none.

    ``owner`` (user, group) may pin in it; others are then let through BPFFS, and not shown what is in it.
    Raises EnvironmentLacks.
    """
    if not _is_bpf(folder):
        if not folder.is_relative_to(BPFFS):
            raise no_bpffs(str(folder), f"it is not under {BPFFS}")
        _mount()
    try:
        folder.parent.mkdir(mode=0o755, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        if owner is not None:
            os.chown(folder, *owner)
            mode = BPFFS.stat().st_mode
            if mode & _TRAVERSE != _TRAVERSE:
                BPFFS.chmod(mode & 0o7777 | _TRAVERSE)
    except OSError as error:
        raise no_bpffs(str(folder), error.strerror or str(error)) from None


def _is_bpf(folder: Path) -> bool:
    """Whether the nearest mount point above ``folder`` is a bpf file system."""
    kinds: dict[Path, str] = {}
    for line in MOUNTS.read_text().splitlines():
        before, _, after = line.partition(" - ")
        # The last one mounted on a place is the one that is seen (proc_pid_mountinfo(5)).
        kinds[Path(before.split()[4])] = after.split()[0]
    above = next(one for one in (folder, *folder.parents) if one in kinds)
    return kinds[above] == "bpf"


def _mount() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"bpf", os.fsencode(BPFFS), b"bpf", ctypes.c_ulong(_NOSUID_NODEV_NOEXEC), b"mode=0711") < 0:
        raise no_bpffs(str(BPFFS), os.strerror(ctypes.get_errno()))
