"""Which of the driver's errors mean that Postgres is away for a moment."""

import asyncio
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from pullyard.store.errors import DATABASE_AWAY, is_away
from tests.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]

SOCKET = ".s.PGSQL.5432"
GIVEN_UP = b"SFATAL\0C57P02\0Mterminating connection because of crash of another server process\0\0"


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
    writer.close()
    await writer.wait_closed()


async def test_a_connection_that_is_given_up_but_not_yet_cut_is_away(
    database_url: str, tmp_path: Path
) -> None:
    address = urlsplit(database_url)
    real = Path(parse_qs(address.query)["host"][0]) / SOCKET
    clients: list[asyncio.StreamWriter] = []
    over = asyncio.Event()

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, questions = await asyncio.open_unix_connection(real)
        clients.append(writer)
        await asyncio.gather(pump(reader, questions), pump(answers, writer))
        over.set()

    async with await asyncio.start_unix_server(between, tmp_path / SOCKET):
        connection = await asyncpg.connect(
            host=str(tmp_path), user=address.username, database=address.path.removeprefix("/")
        )
        assert await refusal(connection) is None, "the way between works"
        clients[0].write(b"E" + (4 + len(GIVEN_UP)).to_bytes(4, "big") + GIVEN_UP)
        async with asyncio.timeout(30):
            # Told while it was idle: the driver waits for the rest of it, which never comes.
            for _ in range(50):
                await asyncio.sleep(0)
            errors = [await refusal(connection) for _ in range(2)]
            connection.terminate()
            await over.wait()
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
