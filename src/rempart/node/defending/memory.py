"""What a loop has learnt, on disk: read when its process begins, written now and then. The rim.

The file is the part's alone (600), replaced whole, and bounded. One that cannot be used is said once and
costs nothing but what was in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from rempart.model.attacks import Layer
from rempart.model.configuration import StatePaths
from rempart.node.defending.journal import folder_of
from rempart.node.state_folders import read_plain

LEARNT = "learnt.bin"
BYTES_MAX = 64 * 1024 * 1024
"""16,384 sites with all hours of a week and a full reservoir are 16 MiB."""
MODE = 0o600


def learnt_file(paths: StatePaths, layer: Layer) -> Path:
    return folder_of(paths, layer) / LEARNT


class Memory:
    """The file of one layer. Methods raise OSError."""

    def __init__(self, paths: StatePaths, layer: Layer) -> None:
        self.path = learnt_file(paths, layer)

    def read(self) -> bytes | None:
        """None when there is none."""
        try:
            return read_plain(self.path, BYTES_MAX)
        except FileNotFoundError:
            return None

    def write(self, octets: bytes) -> None:
        """Replace it. No fsync, as in the journal: what a crash of the machine leaves half is told by its
        digest."""
        fresh = self.path.with_name(f".{LEARNT}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
        fresh.replace(self.path)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
