"""The schema's history (Alembic), carried in the package and run by whoever opens the store."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine

from rempart.controller.store.tables import Base

_LOCK = 0x72656D70617274  # "rempart"


@cache
def history() -> ScriptDirectory:
    """All migrations, loaded. A controller calls this before it becomes its user, who may not be able to
    read them any more: Alembic insists on the folder's real path."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    scripts.get_heads()
    return scripts


def upgrade(database: Engine | str, revision: str = "head") -> None:
    """Bring the database (an engine, or its URL) up to a schema, the newest unless another is named.

    Safe when several start at once.
    """
    engine = create_engine(database) if isinstance(database, str) else database
    try:
        with engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            if MigrationContext.configure(connection).get_current_heads() != tuple(history().get_heads()):
                _run(connection, revision)
    finally:
        if isinstance(database, str):
            engine.dispose()


def _run(connection: Connection, target: str) -> None:
    scripts = history()

    def steps(revision: Any, _: MigrationContext) -> Any:
        return scripts._upgrade_revs(target, revision)  # as alembic.command.upgrade does

    # Without an env.py, which Alembic would read from disk now.
    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transactional_ddl=False,  # the caller's transaction is around everything
        )
        environment.run_migrations()
