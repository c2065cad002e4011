"""A folder of files that are replaced whole and survive a crash: the log's, a mirror's, a witness's.

A file is written beside its place, brought to the disk, and renamed. The renames themselves are on the disk
after `settle`, which is called before anything is written that relies on them.
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
        """Put ``content`` in the place of whatever is at ``path``. EnvironmentLacks when it cannot be."""
        target = self.root / path
        fresh = target.with_name(f".{target.name}{FRESH}")
        try:
            self._make(target.parent)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, self._mode)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.replace(fresh, target)  # noqa: PTH105 - the tests stop the process at these calls
        except OSError as error:
            raise _unwritable(target, error) from error
        self._unsettled[target.parent] = None

    def settle(self) -> None:
        """Return when the names of all files written so far are on the disk."""
        for folder in tuple(self._unsettled):
            try:
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # removed since
                continue
            except OSError as error:
                raise _unwritable(folder, error) from error
            try:
                os.fsync(descriptor)
            except OSError as error:
                raise _unwritable(folder, error) from error
            finally:
                os.close(descriptor)
        self._unsettled.clear()

    def move(self, path: str, into: Folder) -> None:
        """Move a file that was written here to the same path in another folder of the same file system."""
        target = into.root / path
        try:
            into._make(target.parent)
            os.replace(self.root / path, target)  # noqa: PTH105
        except OSError as error:
            raise _unwritable(target, error) from error
        into._unsettled[target.parent] = None

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


def _unwritable(path: Path, error: OSError) -> EnvironmentLacks:
    return EnvironmentLacks(
        str(path),
        f"{path} cannot be written: {error.strerror or error}",
        hint="make room or correct the rights, and try again; what was there is still there",
    )
