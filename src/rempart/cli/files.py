"""Files that commands are given by name."""

from __future__ import annotations

import sys
from pathlib import Path

from rempart.model.errors import InvalidInput

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
