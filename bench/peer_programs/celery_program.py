"""Celery over Redis. Its worker is Celery's own command, with this module as its application."""

import asyncio
import os
import sys

import jobs
from celery import Celery

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task(name="nothing")
def nothing() -> None:
    jobs.do_nothing()


@app.task(name="stamp")
def stamp() -> None:
    jobs.stamp()


async def enqueue(name: str) -> None:
    {"nothing": nothing, "stamp": stamp}[name].delay()


if __name__ == "__main__":
    asyncio.run(jobs.obey(enqueue, sys.argv[1:]))
