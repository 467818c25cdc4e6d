"""A hot worker route beside Starlette and msgspec that answer the same bytes; and heartbeats as they are."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench.figures import Figure, Goal
from bench.idle import ticks
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import Http, enrol
from pullyard.protocol.worker import HeartbeatRequest

REQUESTS = 6000
AT_ONCE = 20
GOAL = Goal(0.8, at_most=False)
PATH = "/worker/v1/heartbeat"
BODY = msgspec.json.encode(HeartbeatRequest())
SAID = (
    f"{REQUESTS} heartbeats, {AT_ONCE} at once; the same request and answer; ours with authentication,"
    " limits, metrics and the log's fields, both without a database"
)


def measure(stage: Stage) -> list[Figure]:
    bare, own = alone("bare"), alone("own")
    with stage.coordinator() as coordinator:
        whole = asyncio.run(heartbeats(coordinator))
    unit = "/s of processor"
    return [
        Figure("heartbeat route alone", own, unit, "Starlette and msgspec", bare, GOAL, conditions=SAID),
        Figure("- heartbeats of 20 workers", whole, "/s", conditions=f"{DURABLE}; a commit each"),
    ]


def alone(which: str) -> float:
    """Requests in a second of the server's processor time, which other programs don't take from it."""
    with served(which) as (url, process):
        asyncio.run(rate_of([Http(url, "x" * 50)]))
        before = ticks([process])
        asyncio.run(rate_of([Http(url, "x" * 50)]))
        seconds = (ticks([process]) - before) / os.sysconf("SC_CLK_TCK")
    return 2 * REQUESTS / seconds


async def heartbeats(coordinator: Coordinator) -> float:
    token = coordinator.enrolment_token()
    workers = [await enrol(coordinator, token, name=f"beat-{number}") for number in range(AT_ONCE)]
    return await rate_of([worker.http for worker in workers])


@contextmanager
def served(which: str) -> Iterator[tuple[str, int]]:
    """The address and the process of a ``route_server``, of its own or of the bare kind."""
    program = Path(__file__).with_name("route_server.py")
    process = subprocess.Popen([sys.executable, str(program), which], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def rate_of(callers: list[Http]) -> float:
    """Of the second of two rounds: the first one warms up."""
    rates = [await one_round(callers) for _ in range(2)]
    for http in callers:
        http.close()
    return rates[-1]


async def one_round(callers: list[Http]) -> float:
    numbers = iter(range(REQUESTS))

    async def ask(http: Http) -> None:
        for _ in numbers:
            await http.post(PATH, BODY)

    began = time.perf_counter()
    await asyncio.gather(*(ask(callers[number % len(callers)]) for number in range(AT_ONCE)))
    return REQUESTS / (time.perf_counter() - began)
