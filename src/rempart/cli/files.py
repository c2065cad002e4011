"""Files that commands are given by name."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from rempart.model.errors import Conflict, EnvironmentLacks, InvalidInput

FILE_BYTES_MAX = 256 * 2**20


def read_text(path: Path, field: str) -> str:
    """The file's text (``-``: standard input). InvalidInput naming ``field`` when it cannot be read."""
    try:
        if str(path) == "-":
            text = sys.stdin.buffer.read(FILE_BYTES_MAX).decode("utf-8")
        elif path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidInput(f"{path} is longer than {FILE_BYTES_MAX} bytes", field=field)
        else:
            text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text (UTF-8)", field=field) from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field=field) from error
    if not text.strip():
        raise InvalidInput(f"{'standard input' if str(path) == '-' else path} is empty", field=field)
    return text


def read_octets(path: Path, field: str, most: int = FILE_BYTES_MAX) -> bytes:
    """The file's octets (``-``: standard input). InvalidInput naming ``field`` when it cannot be read."""
    try:
        if str(path) == "-":
            octets = sys.stdin.buffer.read(most + 1)
        else:
            with path.open("rb") as file:
                octets = file.read(most + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field=field) from error
    if len(octets) > most:
        raise InvalidInput(f"{path} is longer than {most} bytes", field=field)
    return octets


def write_new(path: Path, octets: bytes, field: str, *, mode: int = 0o644) -> None:
    """A new file, whole or not at all. Conflict when there is one of that name."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                file.write(octets)
                file.flush()
                os.fsync(descriptor)
            os.link(draft, path, follow_symlinks=False)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
    except FileExistsError:
        raise Conflict(
            f"{path} is there already", field=field, hint="name another file, or remove it"
        ) from None
    except OSError as error:
        raise EnvironmentLacks(str(path), f"{path} cannot be written: {error.strerror}") from error
