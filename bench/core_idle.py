"""A coordinator with nothing to do: its queries, processor and memory; and with 1,000 workers that wait."""

import asyncio
import os
import re
import threading
import time
from collections import Counter

from bench.figures import Figure, Goal
from bench.idle import memory, ticks
from bench.stage import Coordinator, Stage
from bench.wire import Http, WireWorker, enrol

WATCH_SECONDS = 30.0
SETTLE_SECONDS = 8.0
POLLERS = 1000
QUERIES = Goal(1.05, of_value=True)
"""One in five seconds; the window may cut one more into it."""
PROCESSOR = Goal(1, of_value=True)
POLLING_MIB = Goal(40, of_value=True)
STATEMENT = re.compile(
    r"^(?P<database>\S+) LOG: +duration: \S+ ms +(?:statement|execute [^:]*): (?P<text>.*)"
)
NO_QUERY = re.compile(r"^(BEGIN|COMMIT|ROLLBACK)")


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator(logged=True) as coordinator:
        figures = idle(stage, coordinator)
    with stage.coordinator() as coordinator:
        return [*figures, asyncio.run(pollers(coordinator))]


def idle(stage: Stage, coordinator: Coordinator) -> list[Figure]:
    never = threading.Event()
    never.wait(SETTLE_SECONDS)
    before, began = ticks([coordinator.pid]), time.monotonic()
    place = stage.postgres_log.stat().st_size
    never.wait(WATCH_SECONDS)
    seconds = time.monotonic() - began
    used = (ticks([coordinator.pid]) - before) / os.sysconf("SC_CLK_TCK") / seconds
    with stage.postgres_log.open(errors="replace") as log:
        log.seek(place)
        asked = statements(log.read(), coordinator.database_name)
    often = max(asked.values(), default=0) * 5 / seconds
    (most, _), *_ = asked.most_common(1) or [("none", 0)]
    said = f"watched for {WATCH_SECONDS:.0f} s; the most frequent one: {' '.join(most.split()):.70}"
    total = sum(asked.values()) * 5 / seconds
    return [
        Figure("idle: the most frequent query, in 5 s", often, "", goal=QUERIES, conditions=said),
        Figure("- all queries, in 5 s", total, ""),
        Figure("idle: processor", used * 100, "% of a core", goal=PROCESSOR),
        Figure("idle: coordinator's resident set", memory([coordinator.pid], "Rss:"), "MiB"),
    ]


def statements(log: str, database: str) -> Counter[str]:
    """How often each statement was executed; what only begins and ends a transaction is none."""
    # What goes on in the next line is indented there.
    found = (STATEMENT.match(line) for line in log.replace("\n\t", " ").splitlines())
    texts = (match["text"] for match in found if match and match["database"] == database)
    return Counter(text for text in texts if not NO_QUERY.match(text))


async def pollers(coordinator: Coordinator) -> Figure:
    """One enrolment would do, but a real fleet has as many credentials as workers."""
    token = coordinator.enrolment_token()
    workers = [await enrol(coordinator, token, name=f"idle-{number}") for number in range(POLLERS)]
    for worker in workers:
        worker.http.close()
    await asyncio.sleep(SETTLE_SECONDS)
    before = memory([coordinator.pid], "Rss:")
    polling = [asyncio.create_task(worker.claim(wait_seconds=60)) for worker in workers]
    await until_waiting(coordinator, workers)
    grown = memory([coordinator.pid], "Rss:") - before
    for poll in polling:
        poll.cancel()
    await asyncio.gather(*polling, return_exceptions=True)
    said = f"{POLLERS} workers with credentials of their own, each in its long-poll over plain HTTP"
    return Figure("1,000 waiting workers: growth", grown, "MiB", goal=POLLING_MIB, conditions=said)


async def until_waiting(coordinator: Coordinator, workers: list[WireWorker]) -> None:
    http = Http(coordinator.url, coordinator.token)
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(2)
            _, metrics = await http.ask("GET", "/metrics")
            if f"pullyard_claims_waiting {len(workers):.1f}".encode() in metrics:
                break
    http.close()
