"""The schema's history (Alembic), carried in the package and run by whoever opens the store."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine

_LOCK = 0x72656D70617274  # "rempart"


def upgrade(database: Engine | str) -> None:
    """Bring the database (an engine, or its URL) to the newest schema. Safe when several start at once."""
    engine = create_engine(database) if isinstance(database, str) else database
    try:
        with engine.execution_options(writes=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        if isinstance(database, str):
            engine.dispose()
