"""The schema's history (Alembic), carried in the package and run by whoever opens the store."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine

_LOCK = 0x72656D70617274  # "rempart"

_newest: str | None = None
"""The newest revision, once this process has seen it. A controller that has become its user may not be able
to read the history again (Alembic insists on the folder's real path), and has no need to."""


def upgrade(database: Engine | str) -> None:
    """Bring the database (an engine, or its URL) to the newest schema. Safe when several start at once."""
    global _newest
    engine = create_engine(database) if isinstance(database, str) else database
    try:
        with engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            migration = MigrationContext.configure(connection)
            if _newest is not None and migration.get_current_revision() == _newest:
                return
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            _newest = migration.get_current_revision()
    finally:
        if isinstance(database, str):
            engine.dispose()
