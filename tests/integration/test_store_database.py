"""The pool, the statements and the address."""

import pytest
from sqlalchemy import text

from pullyard.store.database import Database


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
