"""Where services import from when the folder that Rempart lies in is closed to their users.

A checkout below ``/root`` is the usual case. Python and its libraries import much only when it is needed,
long after a service has become its user. So the supervisor opens the folders of its own search path and the
service is told to import through these descriptors: ``/proc/self/fd/N/…``, which needs rights on what lies
inside only. Of what the closed folder protected, world-readable files beside the code become readable.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

FIRST_DESCRIPTOR = 100
"""High enough not to meet any that a process opens while it starts."""


def closed_folders(search_path: Sequence[str] | None = None) -> tuple[Path, ...]:
    """The folders of the search path (ours by default), in its order, when others cannot get to one of them.

    All or none, so that the order stays as it is. Empty when everything can be reached.
    """
    entries = sys.path if search_path is None else search_path
    folders = tuple(folder for entry in entries if (folder := Path(entry).resolve()).is_dir())
    return () if all(is_open(folder) for folder in folders) else folders


def is_open(folder: Path) -> bool:
    """Whether any user can get to ``folder`` and list it."""
    if not folder.stat().st_mode & stat.S_IROTH:
        return False
    return all(place.stat().st_mode & stat.S_IXOTH for place in (folder, *folder.parents))


def through_descriptors(folders: Sequence[Path]) -> str:
    """``PYTHONPATH`` for a process that has ``folders`` open from FIRST_DESCRIPTOR on."""
    numbers = range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + len(folders))
    return os.pathsep.join(f"/proc/self/fd/{number}" for number in numbers)
