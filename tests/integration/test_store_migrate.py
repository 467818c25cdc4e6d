"""The schema, and who may bring it up to date."""

import asyncio
from importlib.resources import files

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


async def test_logs_of_the_first_version_learn_the_numbers_of_their_lines(bare_database_url):
    first = (files("pullyard.store.migrations") / "versions" / "0001_first.sql").read_text()
    chunks = ((0, 2, 1), (2, 5, 0), (7, 9, 4), (16, 1, 1))
    await execute(
        bare_database_url,
        first,
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('0001')",
        "SET session_replication_role = replica;"
        "INSERT INTO log_streams (execution_id, stream, tenant_id) VALUES ('e', 'implement', 't');"
        + "".join(
            "INSERT INTO log_chunks (execution_id, stream, start_offset, size_bytes, lines, codec, data) "
            f"VALUES ('e', '{stream}', {offset}, {size}, {lines}, 'zstd', '');"
            for stream in ("implement", "verify")
            for offset, size, lines in chunks
        ),
    )
    await migrate(bare_database_url)
    numbers = "SELECT array_agg(start_line ORDER BY start_offset) FROM log_chunks WHERE stream = 'verify'"
    assert await fetch(bare_database_url, numbers) == [0, 1, 1, 5]


async def test_an_unreachable_database_is_told_without_its_password():
    with pytest.raises(StoreRefused) as refused:
        await Database("postgresql://pullyard:s3cret@127.0.0.1:1/pullyard").open()
    assert refused.value.code == "database-unreachable"
    assert "s3cret" not in str(refused.value)
