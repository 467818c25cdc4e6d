"""The schema, and who may bring it up to date."""

import asyncio

import asyncpg
import pytest

from pullyard.store.database import Database
from pullyard.store.errors import StoreRefused
from pullyard.store.migrate import migrate
from tests.postgres import execute

TABLES = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


async def fetch(url, statement):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_several_replicas_migrate_at_once(bare_database_url):
    await asyncio.gather(*(migrate(bare_database_url) for _ in range(4)))
    assert await fetch(bare_database_url, "SELECT count(*) FROM alembic_version") == 1
    assert await fetch(bare_database_url, TABLES) > 10


async def test_a_second_migration_changes_nothing(database_url):
    await execute(database_url, "INSERT INTO tenants (id, name) VALUES ('t', 'T')")
    await migrate(database_url)
    assert await fetch(database_url, "SELECT count(*) FROM tenants") == 1


async def test_a_database_of_a_newer_version_is_refused(database_url):
    await execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreRefused, match=r"9999.*upgrade Pullyard") as refused:
        await migrate(database_url)
    assert refused.value.code == "database-too-new"


async def test_a_failed_migration_leaves_nothing_behind(bare_database_url):
    await execute(bare_database_url, "CREATE TABLE events (id text)")
    with pytest.raises(asyncpg.PostgresError, match="already exists"):
        await migrate(bare_database_url)
    assert await fetch(bare_database_url, TABLES) == 1


async def test_an_unreachable_database_is_told_without_its_password():
    with pytest.raises(StoreRefused) as refused:
        await Database("postgresql://pullyard:s3cret@127.0.0.1:1/pullyard").open()
    assert refused.value.code == "database-unreachable"
    assert "s3cret" not in str(refused.value)
