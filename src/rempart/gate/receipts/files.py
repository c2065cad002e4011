"""The files behind the page: what stands (read), what visitors said (replaced whole). The rim."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from rempart.gate.receipts.box import Messages
from rempart.model.receipts import Message, Notices

MESSAGES = "messages.jsonl"
_NOTICES_MOST = 8 * 1024 * 1024
_MESSAGES_MOST = 16 * 1024 * 1024


class NoticesFile:
    """What the defence loop says that visitors may know, read again whenever it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._known = Notices(at=datetime.fromtimestamp(0, UTC))

    def known(self) -> Notices:
        """A file that is missing or cannot be read leaves what was known last."""
        try:
            found = self._path.stat()
            mark = (found.st_mtime_ns, found.st_ino)
            if mark != self._seen and found.st_size <= _NOTICES_MOST:
                self._known = Notices.model_validate_json(self._path.read_bytes())
                self._seen = mark
        except (OSError, ValidationError):
            pass
        return self._known


class BoxFile:
    """What visitors have said, on the disk before they are told so."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MESSAGES

    def read(self) -> Messages:
        """Lines that cannot be read are left out; no file is an empty box. Raises OSError for others."""
        return read_messages(self._path.parent)

    def write(self, box: Messages) -> None:
        """Raises OSError."""
        fresh = self._path.with_name(f".{MESSAGES}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{one.model_dump_json()}\n" for one in box)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def read_messages(folder: Path) -> Messages:
    """What visitors have said, oldest first. Raises OSError when the folder may not be read."""
    try:
        descriptor = os.open(folder / MESSAGES, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return ()
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        lines = file.read(_MESSAGES_MOST).splitlines()
    found = []
    for line in lines:
        try:
            found.append(Message.model_validate_json(line))
        except ValidationError:
            continue
    return tuple(found)
