"""Inside a network of its own: a Postgres that can't be reached any more, and then can again.

Prints the seconds until each kind of connection was given up.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import text

from pullyard.store import watched
from pullyard.store.database import Database
from pullyard.store.embedded import EmbeddedPostgres
from pullyard.store.errors import DATABASE_AWAY, is_away
from pullyard.store.migrate import migrate
from tests.postgres import FAST

ADDRESS = "10.77.0.1"
PATIENCE_SECONDS = 60


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


async def until_given_up(call: Callable[[], Awaitable[Any]]) -> float:
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            await call()
        except DATABASE_AWAY as error:
            if not is_away(error):
                raise
    return time.monotonic() - began


async def main(url: str) -> None:
    await migrate(url)
    database = Database(url, pool_size=1)
    await database.open()

    async def plain() -> Any:
        async with database.transaction() as connection:
            return await connection.scalar(text("SELECT 1"))

    async def hot() -> Any:
        return await database.hot.fetch("owner_find", {})

    async def long() -> Any:
        async with database.transaction() as connection:
            return await connection.scalar(text("SELECT 1 FROM pg_sleep(4)"))

    # What takes longer than the bound on silence is not silent.
    assert await long() == 1
    await hot()
    ip("address", "del", f"{ADDRESS}/32", "dev", "lo")
    seconds = await asyncio.gather(until_given_up(plain), until_given_up(hot))
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    assert await plain() == 1
    await hot()
    await database.close()
    sys.stdout.write(" ".join(f"{one:.1f}" for one in seconds) + "\n")


if __name__ == "__main__":
    watched.SILENT_SECONDS, watched.PROBE_SECONDS = 2, 1
    place = Path(sys.argv[1])
    ip("link", "set", "lo", "up")
    ip("address", "add", f"{ADDRESS}/32", "dev", "lo")
    rules = place / "rules"
    rules.write_text("local all all trust\nhost all all 10.77.0.0/24 trust\n")
    settings = {**FAST, "hba_file": str(rules), "listen_addresses": ADDRESS, "port": "5477"}
    server = EmbeddedPostgres(place / "postgres", settings=settings)
    server.start()
    try:
        uvloop.run(main(f"postgresql://pullyard@{ADDRESS}:5477/pullyard?sslmode=disable"))
    finally:
        server.stop()
