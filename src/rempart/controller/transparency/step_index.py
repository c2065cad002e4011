"""Which step is where in the log: derived from its entries, brought up to date at every opening.

A step's id is looked up before it is appended, so that appending it again after a crash changes nothing. The
file may be lost or behind: nothing relies on it but speed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from rempart.controller.transparency.writer import LogWriter
from rempart.governance.log.step import parse_step
from rempart.governance.log.tiles import WIDTH

SCHEMA = """
CREATE TABLE IF NOT EXISTS steps (id TEXT PRIMARY KEY, entry INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (origin TEXT NOT NULL, size INTEGER NOT NULL);
"""


class StepIndex:
    """Ids of steps and the numbers of their entries. Use it from one thread at a time."""

    def __init__(self, path: Path, log: LogWriter) -> None:
        """Open the index of ``log``; one that is unreadable, or of another log, is made anew."""
        self._path = path
        try:
            self._connection = self._opened(log.key.name)
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            self._connection = self._opened(log.key.name)
        self.catch_up(log)

    def close(self) -> None:
        self._connection.close()

    @property
    def size(self) -> int:
        """How many entries are in the index."""
        return int(self._connection.execute("SELECT size FROM reached").fetchone()[0])

    def find(self, step_id: str) -> int | None:
        """The entry of a step."""
        row = self._connection.execute("SELECT entry FROM steps WHERE id = ?", (step_id,)).fetchone()
        return None if row is None else int(row[0])

    def under(self, beginning: str, limit: int) -> list[tuple[str, int]]:
        """Ids and entries of steps whose id begins so, at most ``limit``, in the order of their entries."""
        rows = self._connection.execute(
            "SELECT id, entry FROM steps WHERE id >= ? AND id < ? ORDER BY entry LIMIT ?",
            (beginning, beginning + "\U0010ffff", limit),
        )
        return [(str(one), int(entry)) for one, entry in rows]

    def add(self, steps: Iterable[tuple[str, int]], size: int) -> None:
        """Add steps; the index then reaches to ``size``."""
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO steps VALUES (?, ?)", steps)
            self._connection.execute("UPDATE reached SET size = ?", (size,))

    def catch_up(self, log: LogWriter) -> None:
        """Read what the log has and the index has not; forget what the log does not have."""
        if self.size > log.size:
            # An older copy of the log was put back.
            with self._connection:
                self._connection.execute("DELETE FROM steps WHERE entry >= ?", (log.size,))
                self._connection.execute("UPDATE reached SET size = ?", (log.size,))
        while self.size < log.size:
            at = self.size
            entries = log.entries(at // WIDTH)[at % WIDTH :]
            self.add(((parse_step(entry).id, at + n) for n, entry in enumerate(entries)), at + len(entries))

    def _opened(self, origin: str) -> sqlite3.Connection:
        # In WAL mode a commit does not wait for the disk: the newest may be lost, and is read again.
        connection = sqlite3.connect(self._path, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(SCHEMA)
            row = connection.execute("SELECT origin FROM reached").fetchone()
            if row is not None and row[0] != origin:
                connection.execute("DELETE FROM steps")
                connection.execute("DELETE FROM reached")
                row = None
            if row is None:
                connection.execute("INSERT INTO reached VALUES (?, 0)", (origin,))
            connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection
