"""The same two jobs for every queue, and how they are put into it and timed.

A job that does nothing writes one byte; one that is timed writes when it began, by the clock of the machine.
Words for a program: ``worker``, ``fill COUNT``, or ``time COUNT PAUSE``, which prints JSON.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable

FILE = "BENCH_FILE"
LOOK_SECONDS = 0.0002
PATIENCE_SECONDS = 20.0
WARM_UP = 10
_files: list[int] = []


def _file() -> int:
    if not _files:
        _files.append(os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    return _files[0]


def do_nothing() -> None:
    os.write(_file(), b".")


def stamp() -> None:
    os.write(_file(), b"%d\n" % time.monotonic_ns())


Enqueue = Callable[[str], Awaitable[object]]
"""With the name of the job: ``nothing`` or ``stamp``."""


async def time_starts(enqueue: Enqueue, count: int, pause_seconds: float) -> None:
    """One job after the other, each into an empty queue with a worker that waits."""
    nanoseconds = []
    with open(os.environ[FILE], "a+b") as file:
        for _ in range(WARM_UP + count):
            await asyncio.sleep(random.uniform(0.5, 1.5) * pause_seconds)
            file.seek(0, os.SEEK_END)
            began = time.monotonic_ns()
            await enqueue("stamp")
            nanoseconds.append(await next_stamp(file) - began)
    sys.stdout.write(json.dumps([one / 1e9 for one in nanoseconds[WARM_UP:]]))


async def next_stamp(file: object) -> int:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not (line := file.readline()):
        if time.monotonic() > give_up_at:
            raise TimeoutError
        await asyncio.sleep(LOOK_SECONDS)
    return int(line)


async def fill(enqueue: Enqueue, count: int) -> None:
    for _ in range(count):
        await enqueue("nothing")


async def obey(enqueue: Enqueue, words: list[str]) -> None:
    match words:
        case ["fill", count]:
            await fill(enqueue, int(count))
        case ["time", count, pause_seconds]:
            await time_starts(enqueue, int(count), float(pause_seconds))
