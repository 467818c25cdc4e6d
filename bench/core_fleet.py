"""Heartbeats of 100 workers with 1,000 executions; and 1,000 at once with agents that are simulated."""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field

import zstandard

from bench.figures import Figure, Goal
from bench.fill import fill
from bench.idle import memory, ticks
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import WireWorker, enrol
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.worker import Grant

EXECUTIONS = 1000
BEAT_SECONDS = 10.0
WATCH_SECONDS = 31.0
HEARTBEATS = Goal(2, of_value=True)
ONE_CORE = Goal(100, of_value=True)
NONE_LATE = Goal(0, of_value=True)
PHASES = (Phase.PREPARE, Phase.IMPLEMENT, Phase.VERIFY, Phase.PUBLISH)
WORK_SECONDS = 100.0
FRAMES = 5
"""A phase: one each 5 s, as an agent prints that thinks most of the time."""
LINES = 40


@dataclass
class Fleet:
    coordinator: Coordinator
    workers: list[WireWorker] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Seconds of each heartbeat from its due time to its answer."""

    async def recruit(self, workers: int, slots: int) -> None:
        token = self.coordinator.enrolment_token()
        for number in range(workers):
            self.workers.append(await enrol(self.coordinator, token, name=f"fleet-{number}", slots=slots))

    async def take_all(self, worker: WireWorker, slots: int) -> None:
        while len(worker.held) < slots:
            for grant in await worker.claim(slots=slots - len(worker.held)):
                worker.held[grant.execution_id] = grant
            await worker.beat()

    async def beat(self, worker: WireWorker) -> None:
        """Until cancelled, each 10 s; the first one at any time within, as workers start by chance."""
        due = time.monotonic() + random.uniform(0, BEAT_SECONDS)
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await worker.beat()
            self.late.append(time.monotonic() - due)
            due += BEAT_SECONDS


def measure(stage: Stage) -> list[Figure]:
    figures = []
    with stage.coordinator(max_running=10_000) as coordinator:
        figures += asyncio.run(only_heartbeats(coordinator))
    with stage.coordinator(max_running=10_000) as coordinator:
        figures += asyncio.run(thousand_at_once(coordinator))
    return figures


async def only_heartbeats(coordinator: Coordinator) -> list[Figure]:
    fleet = Fleet(coordinator)
    await fleet.recruit(100, EXECUTIONS // 100)
    await fill(coordinator, projects=20, tasks=EXECUTIONS)
    await asyncio.gather(*(fleet.take_all(worker, EXECUTIONS // 100) for worker in fleet.workers))
    beating = [asyncio.create_task(fleet.beat(worker)) for worker in fleet.workers]
    await asyncio.sleep(BEAT_SECONDS)
    before, began = ticks([coordinator.pid]), time.monotonic()
    await asyncio.sleep(WATCH_SECONDS)
    used = (ticks([coordinator.pid]) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
    for one in beating:
        one.cancel()
    said = "each worker beats every 10 s for 10 executions; the whole process, its caretakers included"
    return [Figure("heartbeats, 100 workers", used * 100, "% of a core", goal=HEARTBEATS, conditions=said)]


async def thousand_at_once(coordinator: Coordinator) -> list[Figure]:
    """All begin, report their phases, send their logs and finish; the coordinator is one process."""
    fleet = Fleet(coordinator)
    slots = EXECUTIONS // 20
    await fleet.recruit(20, slots)
    await fill(coordinator, projects=20, tasks=EXECUTIONS)
    before, began = ticks([coordinator.pid]), time.monotonic()
    beating = [asyncio.create_task(fleet.beat(worker)) for worker in fleet.workers]
    await asyncio.gather(*(fleet.take_all(worker, slots) for worker in fleet.workers))
    claimed = time.monotonic() - began
    work = [work_on(worker, grant) for worker in fleet.workers for grant in list(worker.held.values())]
    await asyncio.gather(*work)
    for worker in fleet.workers:
        worker.http.close()
    seconds = time.monotonic() - began
    used = (ticks([coordinator.pid]) - before) / os.sysconf("SC_CLK_TCK") / seconds
    for one in beating:
        one.cancel()
    missed = sum(late > BEAT_SECONDS for late in fleet.late)
    said = (
        f"{DURABLE}; 20 workers with {slots} slots; each execution reports 4 phases, sends {4 * FRAMES} log"
        f" frames of {LINES} lines in about {WORK_SECONDS:.0f} s and succeeds; all were claimed"
        f" after {claimed:.1f} s"
    )
    return [
        Figure("1,000 at once: coordinator", used * 100, "% of a core", goal=ONE_CORE, conditions=said),
        Figure("1,000 at once: missed heartbeats", missed, "", goal=NONE_LATE, conditions=said),
        Figure("- answers of 503, asked again", sum(one.retries for one in fleet.workers), ""),
        Figure("- slowest heartbeat", max(fleet.late) * 1000, "ms"),
        Figure("- coordinator's resident set", memory([coordinator.pid], "Rss:"), "MiB"),
    ]


async def work_on(worker: WireWorker, grant: Grant) -> None:
    """What an agent's execution looks like from the coordinator."""
    await asyncio.sleep(random.uniform(0, WORK_SECONDS / 10))
    frame_lines = "".join(f"{number} the agent thinks about {grant.task.title}\n" for number in range(LINES))
    data = frame_lines.encode()
    frame = zstandard.compress(data)
    for phase in PHASES:
        await worker.begin(grant, phase)
        for number in range(FRAMES):
            await asyncio.sleep(random.uniform(0, WORK_SECONDS / 2 / FRAMES))
            await worker.append(grant, phase, number * len(data), frame)
    await worker.finish(grant)
