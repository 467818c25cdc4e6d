"""Heartbeats of 100 workers that hold 1,000 executions and do nothing else."""

import asyncio
import os
import time

from bench.figures import Figure, Goal
from bench.fill import fill
from bench.fleet import BEAT_SECONDS, Fleet
from bench.idle import ticks
from bench.stage import Coordinator, Stage

WORKERS = 100
SLOTS = 10
WATCH_SECONDS = 31.0
GOAL = Goal(2, of_value=True)


def measure(stage: Stage) -> list[Figure]:
    with stage.coordinator(max_running=10_000) as coordinator:
        used = asyncio.run(used_by_heartbeats(coordinator))
    said = (
        f"each beats every {BEAT_SECONDS:.0f} s for {SLOTS} executions;"
        " the whole process, its caretakers included"
    )
    return [Figure(f"heartbeats, {WORKERS} workers", used * 100, "% of a core", goal=GOAL, conditions=said)]


async def used_by_heartbeats(coordinator: Coordinator) -> float:
    """Of one core."""
    fleet = Fleet(coordinator)
    await fleet.recruit(WORKERS, SLOTS)
    await fill(coordinator, projects=20, tasks=WORKERS * SLOTS)
    await asyncio.gather(*(fleet.take_all(worker, SLOTS) for worker in fleet.workers))
    async with fleet.beating():
        await asyncio.sleep(BEAT_SECONDS)
        before, began = ticks([coordinator.pid]), time.monotonic()
        await asyncio.sleep(WATCH_SECONDS)
        used = ticks([coordinator.pid]) - before
        seconds = time.monotonic() - began
    fleet.close()
    return used / os.sysconf("SC_CLK_TCK") / seconds
