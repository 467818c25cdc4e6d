"""The pool, the statements and the address."""

from importlib.resources import files

import asyncpg
import pytest
from sqlalchemy import text

from pullyard.store import queries
from pullyard.store.database import Database
from pullyard.store.queries import named
from tests.postgres import execute


@pytest.fixture
async def database(database_url):
    database = Database(database_url)
    await database.open()
    yield database
    await database.close()


async def test_dicts_go_into_jsonb_and_come_out(database):
    async with database.transaction() as connection:
        value = await connection.scalar(text(r"SELECT :value\:\:jsonb"), {"value": {"a": [1, None, "é"]}})
    assert value == {"a": [1, None, "é"]}
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM events")) == 0


async def test_a_raising_block_rolls_back(database):
    async def fail_after_writing():
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO tenants (id, name) VALUES ('t', 't')"))
            raise LookupError

    with pytest.raises(LookupError):
        await fail_after_writing()
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM tenants")) == 0


async def test_connections_that_the_server_ended_are_replaced_unnoticed(database, database_url):
    async with database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
    await execute(
        database_url,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    async with database.transaction() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


async def test_a_transaction_left_open_is_bounded(database):
    async with database.transaction() as connection:
        assert await connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"


async def test_every_named_statement_is_one_that_postgres_understands(database):
    names = [
        file.name.removesuffix(".sql") for file in files(queries).iterdir() if file.name.endswith(".sql")
    ]
    statements = {name: named(name).compile(dialect=database.engine.dialect) for name in names}
    async with database.transaction() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        refused: dict[str, str] = {}
        for name, statement in statements.items():
            try:
                await driver.prepare(statement.string)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
                break
    assert refused == {}
