"""ARQ over Redis, with the settings that it comes with."""

import asyncio
import os
import sys

import jobs
from arq import create_pool, run_worker
from arq.connections import RedisSettings

SLOTS = 10


async def nothing(_context: object) -> None:
    jobs.do_nothing()


async def stamp(_context: object) -> None:
    jobs.stamp()


class Worker:
    functions = (nothing, stamp)
    redis_settings = RedisSettings.from_dsn(os.environ["BENCH_REDIS"])
    max_jobs = SLOTS
    keep_result = 0


async def main(words: list[str]) -> None:
    pool = await create_pool(Worker.redis_settings)
    await jobs.obey(pool.enqueue_job, words)
    await pool.aclose()


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        run_worker(Worker)
    else:
        asyncio.run(main(sys.argv[1:]))
