"""Brings the schema up to what this version of the code needs."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from pullyard.store.errors import StoreRefused
from pullyard.store.urls import for_sqlalchemy

# Any number will do, as long as nothing else in this database takes the same one.
LOCK = 7_855_921_001


async def migrate(url: str) -> None:
    """Safe to call from several replicas at once: one migrates, the others find it done.

    Everything happens in one transaction, so an interrupted migration leaves nothing behind. ``url`` may
    be a PgBouncer's, but the server's own address is better.
    """
    # No statement is kept: it would outlive the tables that it was made for.
    engine = create_async_engine(
        for_sqlalchemy(url),
        poolclass=NullPool,
        connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0},
    )
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


@cache
def newest_schema() -> str:
    """What this version of the code needs."""
    head = ScriptDirectory.from_config(make_config()).get_current_head()
    assert head is not None
    return head


def make_config() -> Config:
    config = Config()
    config.set_main_option("script_location", "pullyard.store:migrations")
    return config


def upgrade(connection: Connection) -> None:
    config = make_config()
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        foreign = set(connection.scalars(text("SELECT version_num FROM alembic_version"))) - known
        if foreign:
            raise StoreRefused(
                f"This database has schema {', '.join(sorted(foreign))}, which is newer than this Pullyard "
                f"(it knows {max(known)}): upgrade Pullyard, or restore a backup from before.",
                code="database-too-new",
            )
    command.upgrade(config, "head")
