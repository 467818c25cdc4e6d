"""From POST of a task to its grant at a waiting worker, durable and through TLS, beside Celery's start."""

import asyncio
import time

import msgspec

from bench.figures import Figure, Goal, percentile_ms
from bench.peers import CELERY, NotInstalled, measured
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import QUICK, Http, WireWorker, enrol

REPETITIONS = 300
WARM_UP = 30
SAID = f"{DURABLE}, fair, leased; {REPETITIONS} tasks, one after the other; Celery over Redis without fsync"
GOALS = {50: Goal(0.8), 99: Goal(1.0)}


def measure(stage: Stage) -> list[Figure]:
    try:
        celery = measured(stage, CELERY).starts
    except NotInstalled:
        celery = None
    figures = []
    for tls, name in ((True, "TLS"), (False, "plain HTTP")):
        with stage.coordinator(tls=tls) as coordinator:
            seconds = asyncio.run(grants(coordinator))
        figures += [
            Figure(
                f"POST to grant, {name}, p{percent}",
                percentile_ms(seconds, percent),
                "ms",
                "Celery, threads",
                percentile_ms(celery, percent) if celery else None,
                goal,
                conditions=SAID,
            )
            for percent, goal in GOALS.items()
        ]
    return figures


async def grants(coordinator: Coordinator) -> list[float]:
    project = coordinator.add_project("grants")
    poster = Http(coordinator.url, coordinator.token)
    worker = await enrol(coordinator, coordinator.enrolment_token())
    seconds = [await one_grant(poster, worker, project) for _ in range(WARM_UP + REPETITIONS)]
    poster.close()
    worker.http.close()
    return seconds[WARM_UP:]


async def one_grant(poster: Http, worker: WireWorker, project: str) -> float:
    polling = asyncio.create_task(worker.claim())
    # The poll has to be waiting there before the task comes: that is the case that is measured.
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    posting = asyncio.create_task(
        poster.post(f"/api/v1/projects/{project}/tasks", msgspec.json.encode({"title": "x"}))
    )
    (grant,) = await polling
    seconds = time.perf_counter() - began
    await posting
    await worker.finish(grant, *QUICK)
    return seconds
