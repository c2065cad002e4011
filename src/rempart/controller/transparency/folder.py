"""A folder of files that are replaced whole and survive a crash: the log's, a mirror's, a witness's.

A file is written beside its place. `settle` brings all that were written to the disk, puts them in their
places in the order in which they were written, and returns when that is on the disk too; it is called before
anything is written that relies on them. Many files at once cost little more than one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from rempart.model.errors import EnvironmentLacks

FRESH = ".new"
"""What a file is called before it is complete: a dot, its name, and this."""


class Folder:
    """Files below ``root`` by their relative paths. Not safe to be written by several threads at once."""

    def __init__(self, root: Path, *, mode: int = 0o644) -> None:
        self.root = root
        self._mode = mode
        self._folder_mode = 0o755 if mode & 0o004 else 0o700
        self._fresh: list[tuple[Path, Path]] = []
        self._unsettled: dict[Path, None] = {}

    def read(self, path: str, bytes_max: int) -> bytes | None:
        """A plain file, cut after ``bytes_max`` + 1 octets; None when there is none. OSError when it is
        anything else: no link is followed, and nothing waits for the other end of a pipe."""
        try:
            descriptor = os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a plain file", str(self.root / path))
            return file.read(bytes_max + 1)

    def write(self, path: str, content: bytes) -> None:
        """Put ``content`` in the place of whatever is at ``path``, when `settle` is called next.
        EnvironmentLacks when it cannot be."""
        target = self.root / path
        fresh = target.with_name(f".{target.name}{FRESH}")
        try:
            self._make(target.parent)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, self._mode)
                file.write(content)
        except OSError as error:
            raise _unwritable(target, error) from error
        self._fresh.append((fresh, target))

    def settle(self) -> None:
        """Return when everything written so far is in its place, on the disk."""
        fresh, self._fresh = self._fresh, []
        try:
            for path, _ in fresh:
                _bring_to_disk(path, os.O_RDONLY | os.O_NOFOLLOW)
            for path, target in fresh:
                os.replace(path, target)  # noqa: PTH105 - the tests stop the process at these calls
                self._unsettled[target.parent] = None
            for folder in self._unsettled:
                with contextlib.suppress(FileNotFoundError):  # removed since
                    _bring_to_disk(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _unwritable(self.root, error) from error
        self._unsettled.clear()

    def forget(self) -> None:
        """What was written and not settled is not to be put in its place any more."""
        self._fresh.clear()

    def move(self, path: str, into: Folder) -> None:
        """Move a file that was written here to the same path in another folder of the same file system."""
        target = into.root / path
        try:
            into._make(target.parent)
            os.replace(self.root / path, target)  # noqa: PTH105
        except OSError as error:
            raise _unwritable(target, error) from error
        into._unsettled[target.parent] = None

    def take_place(self, path: str, of: str) -> None:
        """A file that is on the disk takes the place of another, which is gone. Returns when that is too."""
        try:
            os.replace(self.root / path, self.root / of)  # noqa: PTH105
            _bring_to_disk(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise _unwritable(self.root / of, error) from error

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens when there is none."""
        target = self.root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(target)  # noqa: PTH108

    def paths(self, below: str = "") -> Iterator[str]:
        """All files, and whatever else is no folder, as relative paths in order."""
        for place, folders, files in os.walk(self.root / below):
            folders.sort()
            for name in sorted(files):
                yield (Path(place) / name).relative_to(self.root).as_posix()

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.root:
            self._make(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=self._folder_mode, parents=folder == self.root)
            folder.chmod(self._folder_mode)
        self._unsettled[folder.parent] = None


def _bring_to_disk(path: Path, how: int) -> None:
    descriptor = os.open(path, how)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> EnvironmentLacks:
    return EnvironmentLacks(
        str(path),
        f"{path} cannot be written: {error.strerror or error}",
        hint="make room or correct the rights, and try again; what was there is still there",
    )
