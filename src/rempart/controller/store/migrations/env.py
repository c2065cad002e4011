"""Alembic's entry: run the migrations on the connection that ``upgrade`` hands over."""

from alembic import context

from rempart.controller.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=False,  # the caller's transaction is around everything
)
context.run_migrations()
