"""Claims and finishes a second by one worker with 10 slots through HTTPS, beside the jobs of other queues."""

import asyncio
import os
import time

from bench.figures import Figure, Goal, not_measured
from bench.fill import fill
from bench.idle import memory, ticks
from bench.peers import CELERY, PGQUEUER, NotInstalled, Peer, measured
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import QUICK, WireWorker, enrol
from pullyard.protocol.worker import Grant

SLOTS = 10
TASKS = 4000
PROJECTS = 20
SAID = (
    f"{DURABLE}; {TASKS} queued tasks of {PROJECTS} projects, one worker with {SLOTS} slots; a"
    " finish is a success that tells of its phases and asks for the next task"
)
GOALS: tuple[tuple[Peer, float], ...] = ((CELERY, 8), (PGQUEUER, 1.5))


def measure(stage: Stage) -> list[Figure]:
    figures = []
    for tls, name in ((True, "HTTPS"), (False, "plain HTTP")):
        with stage.coordinator(tls=tls, max_running=1000) as coordinator:
            rate, used = asyncio.run(cycles(stage, coordinator))
            resident = memory([coordinator.pid], "Rss:")
        title = f"claim and finish, {name}"
        figures += [against(stage, peer, title, rate, bound) for peer, bound in GOALS]
        # On a machine that does other things besides, these tell more than the rate.
        figures += [Figure(f"- processor of one, {who}, {name}", us, "us") for who, us in used.items()]
        figures.append(Figure(f"- coordinator's resident set after it, {name}", resident, "MiB"))
    return figures


def against(stage: Stage, peer: Peer, title: str, rate: float, bound: float) -> Figure:
    try:
        theirs = measured(stage, peer).rate
    except NotInstalled as missing:
        return not_measured(f"{title}, against {peer.name}", str(missing))
    goal = Goal(bound, at_most=False)
    said = f"{SAID}; {peer.name}: {peer.conditions}"
    return Figure(title, rate, "/s", peer.name, theirs, goal, conditions=said)


async def cycles(stage: Stage, coordinator: Coordinator) -> tuple[float, dict[str, float]]:
    """How many a second, and the microseconds of the processor that each of the three takes for one."""
    await fill(coordinator, projects=PROJECTS, tasks=TASKS)
    worker = await enrol(coordinator, coordinator.enrolment_token(), slots=SLOTS)
    beating = asyncio.create_task(beat_for_ever(worker))
    # The first tenth warms up: statements are prepared, connections are opened.
    warm_up = await work_off(worker, TASKS // 10)
    sides = {
        "coordinator": [coordinator.pid],
        "Postgres": stage.postgres_processes,
        "client": [os.getpid()],
    }
    before = {who: ticks(processes) for who, processes in sides.items()}
    began = time.perf_counter()
    done = await work_off(worker, TASKS - warm_up)
    seconds = time.perf_counter() - began
    microseconds = 1e6 / os.sysconf("SC_CLK_TCK") / done
    used = {who: (ticks(processes) - before[who]) * microseconds for who, processes in sides.items()}
    beating.cancel()
    worker.http.close()
    return done / seconds, used


async def beat_for_ever(worker: WireWorker) -> None:
    while True:
        await asyncio.sleep(2)
        await worker.beat()


async def work_off(worker: WireWorker, tasks: int) -> int:
    """As a real worker does: one poll for the slots that are free, and with each finish a wish for the next.

    So many at least, for a poll may give several at its end; how many it was.
    """
    freed = asyncio.Event()
    running: set[asyncio.Task[None]] = set()
    granted = 0

    async def work(given: list[Grant]) -> None:
        nonlocal granted
        while given:
            granted += 1
            given = await worker.finish(given[0], *QUICK, more=granted < tasks)

    def ended(task: asyncio.Task[None]) -> None:
        running.discard(task)
        freed.set()

    while granted < tasks:
        freed.clear()
        if len(running) < SLOTS:
            for grant in await worker.claim(slots=SLOTS - len(running)):
                working = asyncio.create_task(work([grant]))
                running.add(working)
                working.add_done_callback(ended)
        await freed.wait()
    await asyncio.gather(*running)
    return granted
