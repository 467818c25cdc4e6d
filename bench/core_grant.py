"""From POST of a task to its grant at a waiting worker, durable and through TLS, beside what others take."""

import asyncio
import time

import msgspec

from bench.figures import Figure, percentile_ms
from bench.stage import DURABLE, Coordinator, Stage
from bench.wire import Http, WireWorker, enrol
from pullyard.lifecycle.reasons import Reason

REPETITIONS = 300
WARM_UP = 30


def measure(stage: Stage) -> list[Figure]:
    figures = []
    for tls, name in ((True, "TLS"), (False, "plain HTTP")):
        with stage.coordinator(tls=tls) as coordinator:
            seconds = asyncio.run(grants(coordinator))
        said = f"{DURABLE}; {REPETITIONS} tasks, one after the other"
        figures += [
            Figure(f"POST to grant, {name}, p50", percentile_ms(seconds, 50), "ms", conditions=said),
            Figure(f"POST to grant, {name}, p99", percentile_ms(seconds, 99), "ms", conditions=said),
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
    await worker.finish(grant, Reason.NO_CHANGE)
    return seconds
