"""Logs: what our own processes print, and keeping the files that everybody appends to from growing for ever.

Where it stands: every process calls ``configure``; the supervisor calls ``keep_bounded`` every few seconds
for all files in ``log/``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path
from typing import TextIO

import structlog

LOG_BYTES_MAX = 16 * 2**20
"""A log file is cut when it is longer."""
TAIL_BYTES = 65_536
LOG_COPIES = 3
"""Older pieces kept: ``NAME.1`` (youngest) … ``NAME.3``."""


def configure(stream: TextIO | None = None) -> None:
    """Structured logs to ``stream`` (standard error): for people on a terminal, JSON lines elsewhere."""
    stream = stream or sys.stderr
    terminal = stream.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if terminal else "iso", utc=not terminal),
            structlog.processors.StackInfoRenderer(),
            *_rendering(terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=_LineLogger(stream),
        cache_logger_on_first_use=False,
    )


class _LineLogger:
    """Prints one line a message. A stream that cannot be written to (a terminal that is gone, a full disk)
    costs the message, never the process: what serves visitors does not end because nobody listens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, *_: object) -> _LineLogger:
        return self

    def msg(self, message: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(message + "\n")
            self._stream.flush()

    debug = info = warning = warn = error = critical = exception = fatal = log = msg


def _rendering(terminal: bool) -> list[structlog.types.Processor]:
    if terminal:
        # Plain tracebacks: the pretty ones show local variables, and those may be keys.
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]


def keep_bounded(path: Path, *, limit: int = LOG_BYTES_MAX, copies: int = LOG_COPIES) -> bool:
    """Copy and cut a log that is longer than ``limit`` bytes; True when it was cut.

    Whoever writes goes on with the descriptor it has, which must have been opened to append. Lines written
    between copy and cut are lost; so is, of a log that grew beyond twice the limit, all but the end.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        if size <= limit:
            return False
        for number in range(copies, 1, -1):
            older = path.with_name(f"{path.name}.{number - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{number}"))
        _copy_end(descriptor, path.with_name(f"{path.name}.1"), size, limit * 2)
        os.ftruncate(descriptor, 0)
        return True
    finally:
        os.close(descriptor)


def last_lines(path: Path, count: int, *, width: int = 500) -> tuple[str, ...]:
    """The last lines of a log, each cut to ``width`` characters; none when it cannot be read."""
    try:
        with path.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(line[:width] for line in text.splitlines()[-count:])


def _copy_end(source: int, target: Path, size: int, limit: int) -> None:
    copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
    try:
        offset = max(0, size - limit)
        while offset < size:
            sent = os.sendfile(copy, source, offset, min(2**20, size - offset))
            if sent == 0:
                return
            offset += sent
    finally:
        os.close(copy)
