"""Procrastinate over Postgres, woken by its LISTEN."""

import asyncio
import os
import sys

import jobs
from procrastinate import App, PsycopgConnector

SLOTS = 10
app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_POSTGRES"]))


@app.task(name="nothing")
async def nothing() -> None:
    jobs.do_nothing()


@app.task(name="stamp")
async def stamp() -> None:
    jobs.stamp()


async def main(words: list[str]) -> None:
    async with app.open_async():
        match words:
            case ["install"]:
                await app.schema_manager.apply_schema_async()
            case ["worker"]:
                await app.run_worker_async(concurrency=SLOTS)
            case _:
                deferred = {"nothing": nothing, "stamp": stamp}
                await jobs.obey(lambda name: deferred[name].defer_async(), words)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
