"""The same two jobs for every queue, and how they are put into it and timed.

A job that does nothing writes one byte; one that is timed writes when it began, by the clock of the machine.
Usage of a program: ``PROGRAM worker``, ``PROGRAM fill COUNT`` or ``PROGRAM time COUNT``, which prints JSON.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable

FILE = "BENCH_FILE"
PAUSE_SECONDS = 0.01
LOOK_SECONDS = 0.0002
PATIENCE_SECONDS = 20.0
WARM_UP = 20
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


async def time_starts(enqueue: Enqueue, count: int) -> None:
    """One job after the other, each into an empty queue with a worker that waits."""
    nanoseconds = []
    with open(os.environ[FILE], "a+b") as file:
        for _ in range(WARM_UP + count):
            await asyncio.sleep(PAUSE_SECONDS)
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
