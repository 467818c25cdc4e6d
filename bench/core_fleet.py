"""1,000 executions at once: 20 workers that speak the whole protocol, with agents that are simulated."""

import asyncio
import os
import random
import time

import zstandard

from bench.figures import Figure, Goal
from bench.fill import fill
from bench.fleet import BEAT_SECONDS, Fleet
from bench.idle import memory, ticks
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import Lost, WireWorker
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.worker import Grant

WORKERS = 20
SLOTS = 50
ONE_CORE = Goal(100, of_value=True)
NONE_LATE = Goal(0, of_value=True)
PHASES = (Phase.PREPARE, Phase.IMPLEMENT, Phase.VERIFY, Phase.PUBLISH)
WORK_SECONDS = 100.0
FRAMES = 5
"""A phase: one each 5 s, as an agent prints that thinks most of the time."""
LINES = 40


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator(max_running=10_000) as coordinator:
        return asyncio.run(all_at_once(coordinator))


async def all_at_once(coordinator: Coordinator) -> list[Figure]:
    """All begin, report their phases, send their logs and finish; the coordinator is one process."""
    fleet = Fleet(coordinator)
    await fleet.recruit(WORKERS, SLOTS)
    await fill(coordinator, projects=20, tasks=WORKERS * SLOTS)
    before, began = ticks([coordinator.pid]), time.monotonic()
    async with fleet.beating():
        await asyncio.gather(*(fleet.take_all(worker, SLOTS) for worker in fleet.workers))
        claimed = time.monotonic() - began
        held = [(worker, grant) for worker in fleet.workers for grant in worker.held.values()]
        await asyncio.gather(*(work_on(fleet, worker, grant) for worker, grant in held))
        seconds = time.monotonic() - began
    used = (ticks([coordinator.pid]) - before) / os.sysconf("SC_CLK_TCK") / seconds
    fleet.close()
    said = (
        f"{DURABLE}; {WORKERS} workers with {SLOTS} slots; each execution reports 4 phases, sends"
        f" {4 * FRAMES} log frames of {LINES} lines in about {WORK_SECONDS:.0f} s and succeeds; all were"
        f" claimed after {claimed:.1f} s"
    )
    missed = sum(late > BEAT_SECONDS for late in fleet.late)
    repeated = sum(worker.http.repeated for worker in fleet.workers)
    name = f"{WORKERS * SLOTS:,} at once"
    return [
        Figure(f"{name}: coordinator", used * 100, "% of a core", goal=ONE_CORE, conditions=said),
        Figure(f"{name}: missed heartbeats", missed, "", goal=NONE_LATE, conditions=said),
        Figure(f"{name}: executions lost", fleet.lost, "", goal=NONE_LATE, conditions=said),
        Figure("- answers of 503, asked again", repeated, ""),
        Figure("- slowest heartbeat", max(fleet.late, default=0.0) * 1000, "ms"),
        Figure("- coordinator's resident set", memory([coordinator.pid], "Rss:"), "MiB"),
    ]


async def work_on(fleet: Fleet, worker: WireWorker, grant: Grant) -> None:
    """What an agent's execution looks like from the coordinator, until it ends or is lost."""
    try:
        await say_and_finish(worker, grant)
    except Lost:
        fleet.lost += worker.held.pop(grant.execution_id, None) is not None


async def say_and_finish(worker: WireWorker, grant: Grant) -> None:
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
