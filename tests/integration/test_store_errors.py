"""Which of the driver's errors mean that Postgres is away for a moment."""

from pathlib import Path

import asyncpg
import pytest

from pullyard.store.errors import DATABASE_AWAY, is_away
from pullyard.store.urls import for_libpq
from tests.giving_up import way_to
from tests.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]


async def test_a_connection_that_is_given_up_but_not_yet_cut_is_away(
    database_url: str, tmp_path: Path
) -> None:
    async with way_to(database_url, tmp_path) as way:
        connection = await asyncpg.connect(for_libpq(way.url))
        assert await refusal(connection) is None, "the way between works"
        await way.give_up()
        errors = [await refusal(connection) for _ in range(2)]
        connection.terminate()
    assert [error for error in errors if not (isinstance(error, DATABASE_AWAY) and is_away(error))] == []


async def refusal(connection: asyncpg.Connection) -> BaseException | None:
    try:
        await connection.execute("SELECT 1")
    except Exception as error:  # noqa: BLE001
        return error
    return None


@pytest.mark.parametrize("error", [ValueError("a bug"), asyncpg.UndefinedTableError("a bug")])
def test_a_bug_is_not_taken_for_it(error: Exception) -> None:
    assert not is_away(error)
