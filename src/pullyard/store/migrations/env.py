"""Alembic runs this; the connection, its transaction and its lock come from ``store.migrate``."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
