"""The node's own copy of what it was last sent: enough to start everything from with the controller gone.

Where it stands: ``service.py`` writes verified deltas into it, the engines' controllers read it as their
``ItemView``. One SQLite file, readable by the node alone: it holds the sites' private keys. Each thread
reads through a connection of its own, so a long read never waits for a write nor sees half of one.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog
from pydantic import ValidationError

from rempart.snapshot.items import ITEM, SCHEMA_VERSION, Delta, Item, ItemChange

_log = structlog.get_logger("last-good")

SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
  key TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  run INTEGER NOT NULL  -- the last full run that confirmed or brought it
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (id TEXT NOT NULL);  -- of the revision; one row, or none
CREATE INDEX IF NOT EXISTS items_by_kind ON items (kind);
"""


class LastGood:
    """All items the node holds, and the revision it is at. Implements ``ItemView``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._all_lock = threading.Lock()
        self._write_lock = threading.Lock()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = self._connection()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        connection.execute("SELECT count(*) FROM items").fetchone()
        if self._meta("schema", SCHEMA_VERSION) != SCHEMA_VERSION:
            # What can still be read serves until the controller has sent everything anew.
            self.forget_revision()
        with connection:
            self._set_meta("schema", SCHEMA_VERSION)

    @classmethod
    def open(cls, path: Path) -> LastGood:
        """The store in ``path``; a file that is no sound database is set aside and a new one begun."""
        try:
            return cls(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise  # a full disk or missing rights say nothing about the file
            aside = path.with_name(f"{path.name}.broken")
            _log.error("last good items cannot be read, beginning anew", reason=str(error), kept=str(aside))
            path.replace(aside)
            for suffix in ("-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            return cls(path)

    # --- reading -------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """Everything up to this revision is held; 0 before the first complete delta."""
        return self._meta("revision", 0)

    @property
    def epoch(self) -> str:
        """The epoch of the controller's history that the revision is one of; empty before the first."""
        row = self._connection().execute("SELECT id FROM epoch").fetchone()
        return "" if row is None else str(row[0])

    def get(self, key: str) -> Item | None:
        row = self._connection().execute("SELECT body FROM items WHERE key = ?", (key,)).fetchone()
        return None if row is None else self._item(key, row[0])

    def under(self, prefix: str) -> Iterator[Item]:
        """Items whose key begins with ``prefix``, in key order, as they were when the reading began."""
        rows = self._connection().execute(
            "SELECT key, body FROM items WHERE key >= ? AND key < ? ORDER BY key", (prefix, _after(prefix))
        )
        for key, body in rows:
            item = self._item(key, body)
            if item is not None:
                yield item

    def counts(self) -> Mapping[str, int]:
        """Items by kind."""
        return dict(self._connection().execute("SELECT kind, count(*) FROM items GROUP BY kind"))

    # --- writing -------------------------------------------------------------------------------

    def apply(self, delta: Delta, *, full: bool, begins: bool) -> tuple[ItemChange, ...]:
        """Take one verified delta in, all or nothing; returns what is different now.

        ``full``: the delta belongs to a run that brings everything there is; ``begins``: it is the first of
        its run. When the last one of a full run is in, whatever the run did not name is gone. The revision
        moves only with the last delta of a run.
        """
        with self._write_lock, self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            run = self._meta("run", 0) + (1 if full and begins else 0)
            effective = [change for change in delta.changes if self._write(connection, change, run)]
            if full and not delta.more:
                gone = connection.execute("SELECT key FROM items WHERE run <> ? ORDER BY key", (run,))
                effective += [ItemChange(key=key, item=None) for (key,) in gone.fetchall()]
                connection.execute("DELETE FROM items WHERE run <> ?", (run,))
            self._set_meta("run", run)
            if not delta.more:
                self._set_meta("revision", delta.to_revision)
                connection.execute("DELETE FROM epoch")
                connection.execute("INSERT INTO epoch (id) VALUES (?)", (delta.epoch,))
            return tuple(effective)

    def forget_revision(self) -> None:
        """Keep the items but ask for everything anew."""
        with self._write_lock, self._connection():
            self._set_meta("revision", 0)

    def close(self) -> None:
        """Close the connections of all threads; nothing may be reading any more."""
        with self._all_lock:
            for connection in self._all:
                connection.close()
            self._all.clear()

    # --- below ---------------------------------------------------------------------------------

    def _write(self, connection: sqlite3.Connection, change: ItemChange, run: int) -> bool:
        """True when the item is different now."""
        if change.item is None:
            return connection.execute("DELETE FROM items WHERE key = ?", (change.key,)).rowcount > 0
        body = change.item.model_dump_json()
        row = connection.execute("SELECT body FROM items WHERE key = ?", (change.key,)).fetchone()
        connection.execute(
            "INSERT INTO items (key, kind, body, run) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, body = excluded.body, run = excluded.run",
            (change.key, change.item.kind, body, run),
        )
        return row is None or row[0] != body

    def _item(self, key: str, body: str) -> Item | None:
        try:
            return ITEM.validate_json(body)
        except ValidationError:
            # Written by another version. The words of the error could quote a key, so they are not logged.
            _log.error("an item on disk cannot be read and is left out", key=key)
            return None

    def _meta(self, name: str, otherwise: int) -> int:
        row = self._connection().execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return otherwise if row is None else int(row[0])

    def _set_meta(self, name: str, value: int) -> None:
        self._connection().execute(
            "INSERT INTO meta (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            # Closing is the one thing done from another thread, when nobody uses it any more.
            connection = sqlite3.connect(
                self._path, timeout=10.0, isolation_level=None, check_same_thread=False
            )
            # The controller has it all: a revision lost with the power is asked for again.
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
            with self._all_lock:
                self._all.append(connection)
        return connection


def holds(path: Path, key: str) -> bool | None:
    """Whether the store has an item of this key, asked from outside of the node; None: it cannot be read."""
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
    except sqlite3.Error:
        return None
    try:
        return connection.execute("SELECT 1 FROM items WHERE key = ?", (key,)).fetchone() is not None
    except sqlite3.Error:
        return None
    finally:
        connection.close()


def _after(prefix: str) -> str:
    """The least text greater than all that begin with ``prefix`` (an ASCII one)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"
