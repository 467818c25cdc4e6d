"""PgQueuer over Postgres, woken by its LISTEN, in batches of ten."""

import asyncio
import os
import sys

import asyncpg
import jobs
from pgqueuer import AsyncpgDriver, PgQueuer, Queries

SLOTS = 10


async def work(driver: AsyncpgDriver) -> None:
    queue = PgQueuer(driver)

    @queue.entrypoint("nothing")
    async def nothing(_job: object) -> None:
        jobs.do_nothing()

    @queue.entrypoint("stamp")
    async def stamp(_job: object) -> None:
        jobs.stamp()

    await queue.run(batch_size=SLOTS)


async def main(words: list[str]) -> None:
    connection = await asyncpg.connect(os.environ["BENCH_POSTGRES"])
    driver = AsyncpgDriver(connection)
    queries = Queries(driver)
    match words:
        case ["install"]:
            await queries.install()
        case ["worker"]:
            await work(driver)
        case _:
            await jobs.obey(lambda name: queries.enqueue(name, None), words)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
