"""Files that came with reports: sealed, in the controller's folder, readable for its user alone.

``<state>/controller/evidence/<report>/<number>``. Nothing serves this folder; the operator opens a file with
``rempart report file``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from rempart.controller.store.sealing import Seal
from rempart.model.abuse_reports import Evidence, KeptFile
from rempart.model.errors import EnvironmentLacks, NotFound


class EvidenceFolder:
    """Files on disk."""

    def __init__(self, folder: Path, seal: Seal) -> None:
        self._folder = folder
        self._seal = seal

    def keep(self, report: str, files: Sequence[Evidence]) -> tuple[KeptFile, ...]:
        """Write them; on disk once this returns. EnvironmentLacks when that fails, and then none is left."""
        if not files:
            return ()
        place = self._folder / report
        try:
            place.mkdir(parents=True, mode=0o700)
            for number, file in enumerate(files, 1):
                self._write(place / str(number), report, number, file.content)
            _sync(place)
            _sync(self._folder)
        except OSError as error:
            self.drop(report)
            raise EnvironmentLacks(
                "evidence", f"{place} cannot be written: {error.strerror}", hint="is the disk full?"
            ) from error
        return tuple(
            KeptFile(
                number=number,
                sha256=hashlib.sha256(file.content).hexdigest(),
                size=len(file.content),
                media_type=file.media_type,
            )
            for number, file in enumerate(files, 1)
        )

    def open(self, report: str, number: int) -> bytes:
        """A file's content. NotFound when there is none."""
        try:
            sealed = (self._folder / report / str(number)).read_bytes()
        except FileNotFoundError:
            raise NotFound("no such file", field="file", hint="rempart report show lists them") from None
        except OSError as error:
            raise EnvironmentLacks("evidence", f"a file cannot be read: {error.strerror}") from error
        return self._seal.open_bytes(sealed, _place(report, number))

    def drop(self, report: str) -> None:
        """Whatever there is of the report's files."""
        place = self._folder / report
        with contextlib.suppress(FileNotFoundError):
            for one in place.iterdir():
                one.unlink(missing_ok=True)
            place.rmdir()

    def reports(self) -> tuple[tuple[str, float], ...]:
        """Reports that there are files of, and when they were written (seconds since the epoch)."""
        try:
            return tuple((one.name, one.stat().st_mtime) for one in self._folder.iterdir())
        except FileNotFoundError:
            return ()

    def _write(self, path: Path, report: str, number: int, content: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(self._seal.close_bytes(content, _place(report, number)))
            file.flush()
            os.fsync(file.fileno())


def _place(report: str, number: int) -> str:
    return f"report/{report}/evidence/{number}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
