"""Started by tests to be killed: starts Postgres in a directory, then commits and tells of it without end."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from pullyard.store.embedded import EmbeddedPostgres


async def commit_and_tell(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE IF NOT EXISTS told (number integer)")
    for number in range(1_000_000):
        await connection.execute("INSERT INTO told VALUES ($1)", number)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


asyncio.run(commit_and_tell(EmbeddedPostgres(Path(sys.argv[1])).start()))
