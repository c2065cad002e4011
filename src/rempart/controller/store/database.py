"""Opens the database and hands out transactions. SQLite in the state folder, or PostgreSQL by URL.

Every writing transaction first locks the one counter row, so that writers go one after the other on both
databases, revisions grow in commit order, and a reader never sees a later revision before an earlier one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.orm import Session

from rempart.controller.store import epochs
from rempart.controller.store.migrations import upgrade
from rempart.controller.store.sealing import Seal
from rempart.controller.store.tables import CounterRow
from rempart.model.configuration import Configuration
from rempart.model.errors import EnvironmentLacks

SQLITE_BUSY_TIMEOUT_MS = 30_000

_log = structlog.get_logger("store")


class Store:
    """An opened store, its schema up to date. Safe to share between threads; not between forks."""

    def __init__(self, url: str, seal: Seal) -> None:
        """Raises EnvironmentLacks when there is no such database or it cannot be reached."""
        self.seal = seal
        self._engine = _engine(url)
        # One pool, two ways to begin: see _begin_sqlite.
        self._writing_engine = self._engine.execution_options(writes=True)
        self._newest = 0
        try:
            upgrade(self._engine)
        except DatabaseError as error:
            self._engine.dispose()
            raise _unusable(error, hint="see store.url in the configuration") from error

    @classmethod
    def open(cls, configuration: Configuration) -> Store:
        """The store of ``configuration``; made on first use."""
        configuration.paths.controller.mkdir(parents=True, exist_ok=True, mode=0o700)
        seal = Seal.from_file(configuration.paths.controller / "secrets.key")
        return cls(configuration.store_url, seal)

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the store throughout. EnvironmentLacks when it cannot be used."""
        with _told_apart(), Session(self._engine) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """The only writing transaction at a time; all or nothing, on disk once left without an exception.

        EnvironmentLacks when the store cannot be used: nothing was written.
        """
        with _told_apart(), Session(self._writing_engine, autoflush=True) as session, session.begin():
            counter = session.scalars(select(CounterRow).with_for_update()).one()
            newest = self._newest
            if went_back := counter.revision < newest:
                _log.warning(
                    "the store was put back to an earlier state", revision=counter.revision, seen=newest
                )
                epochs.begin(session)
            yield session
            now = counter.revision
        self._newest = now if went_back else max(self._newest, now)

    @property
    def newest(self) -> int:
        """The newest revision this process knows to be committed. Whoever reads an older one in a
        transaction begun later is looking at another history."""
        return self._newest

    def saw(self, revision: int) -> None:
        """Somebody has read this revision."""
        self._newest = max(self._newest, revision)


@contextmanager
def _told_apart() -> Iterator[None]:
    """A full disk, a spoilt file, a server that is gone: not our fault, and not to be told as one."""
    try:
        yield
    except DatabaseError as error:
        if isinstance(error, OperationalError) or type(error) is DatabaseError:
            raise _unusable(error, hint="is its disk full, is the database server up?") from error
        raise


def _unusable(error: DatabaseError, *, hint: str) -> EnvironmentLacks:
    # The driver's words alone: SQLAlchemy's own would add the statement with its values.
    return EnvironmentLacks("store", f"the store cannot be used: {str(error.orig).strip()}", hint=hint)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise EnvironmentLacks("store", "not a database URL", hint="see store.url") from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed)
    raise EnvironmentLacks(
        "store", f"{parsed.get_backend_name()} is not supported", hint="use sqlite or postgresql"
    )


def _postgresql(url: URL) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    try:
        # REPEATABLE READ for readers gives one state throughout; writers hold the counter's lock instead,
        # and must see what was committed while they waited for it.
        engine = create_engine(url, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise EnvironmentLacks(
            "psycopg", "PostgreSQL needs psycopg", hint="pip install 'rempart[postgresql]'"
        ) from error
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    if not connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise EnvironmentLacks("store", "the store must be a file", hint="see store.url")
    _create_private(Path(url.database))
    engine = create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_private(path: Path) -> None:
    """SQLite would make the file readable for all; its -wal and -shm files take its mode.

    A link is not followed: root opens the store too, in a folder that belongs to the controller's user.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise EnvironmentLacks("store", f"{path}: {error.strerror}") from error


def _configure_sqlite(connection: Any, _record: object) -> None:
    # SQLAlchemy begins transactions itself (below): the driver's own implicit ones start too late.
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # in WAL, NORMAL may lose the last commits on a power cut
        "foreign_keys=ON",
        f"busy_timeout={SQLITE_BUSY_TIMEOUT_MS}",
        "cache_size=-65536",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # IMMEDIATE takes the write lock at once: a transaction that read first could only fail later.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
