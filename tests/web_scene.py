"""A system with life in it, for pages to be looked at: projects, workers, and tasks in every state."""

from dataclasses import dataclass
from typing import Any

import msgspec

from pullyard.protocol.enrolment import Enrolment, EnrolRequest
from pullyard.protocol.worker import AskRequest, ErrandReport, Usage
from tests.coordinator import RunningCoordinator, WireWorker, change_of

HOSTILE = "<img src=x onerror=alert(1)> \x1b[31mred\u202e\u202dgnp.exe " + "w" * 90
"""Must neither run, nor hide, nor break a page."""
FACTS: dict[str, Any] = {
    "sandbox": "bubblewrap",
    "sandboxes": {
        "bubblewrap": {
            "available": True,
            "start_seconds": 0.031,
            "escapes": {"network": True, "host_files": True, "other_processes": True, "devices": True},
            "bounds": {"memory": True, "processes": True, "disk": True},
        },
        "docker": {"available": False, "remedy": "Start the engine: 'systemctl start docker'."},
    },
    "free_bytes": 180 * 2**30,
}
QUEUED = [
    ("Add OAuth device flow to the command line", 0, ["gpu"]),
    ("Retry webhook delivery with jitter", 50, []),
    ("Round totals half up", 10, []),
    ("Show the total on the first page", 0, []),
    (HOSTILE, 0, []),
]
RUNNING = ["Speed up the start by caching layers", "Drain workers before an upgrade"]
REVIEW = ["Stream logs over one connection and resume them", "Reject stale heartbeats"]


@dataclass
class Scene:
    shop: str
    infra: str
    worker: WireWorker
    change: str


async def enrol(coordinator: RunningCoordinator, name: str, *labels: str, **facts: Any) -> WireWorker:
    request = EnrolRequest(
        name=name,
        protocol_versions=[1, 2, 3],
        software_version="0.1.0",
        labels=list(labels),
        slots=8,
        arch="x86_64",
        facts={"receipt_key": f"ed25519:{name}", **facts},
    )
    http = coordinator.client(coordinator.enrolment)
    answer = await http.post("/worker/v1/enrol", content=msgspec.json.encode(request))
    assert answer.status_code == 200, answer.text
    enrolment = msgspec.json.decode(answer.content, type=Enrolment)
    return WireWorker(coordinator.client(enrolment.credential), enrolment.worker_id)


async def make_scene(coordinator: RunningCoordinator) -> Scene:
    shop = await coordinator.project(
        name="acme/shop", repository="https://forge.example/acme/shop.git", max_running=9
    )
    infra = await coordinator.project(name="acme/infra", agent={"name": "claude-code"}, max_running=9)
    worker = await enrol(coordinator, "build-07", "linux", "region=eu", **FACTS)
    for title in REVIEW:
        await delivered(coordinator, worker, infra, title)
    change = await delivered(coordinator, worker, shop, "Backfill the cost of each try")
    await closed(coordinator, worker, change)
    change = await delivered(coordinator, worker, shop, "Split the settings page")
    task = await coordinator.task(shop, title="Fix the flaky lease test")
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify")
    failure = {"reason": "verify_failed", "message": "'make test' ended with exit code 1."}
    await worker.finish(grant, **failure, usage=Usage(cost_micros=540_000))
    await coordinator.until_task(task["id"], "failed")
    await asks(coordinator, worker, infra)
    for title in RUNNING:
        await coordinator.task(infra, title=title)
        await worker.walk(await worker.claim(), "prepare", "implement")
    await coordinator.task(shop, title="Translate the pages", draft=True)
    for title, priority, labels in QUEUED:
        await coordinator.task(shop, title=title, priority=priority, labels=labels)
    return Scene(shop, infra, worker, change)


async def delivered(coordinator: RunningCoordinator, worker: WireWorker, project: str, title: str) -> str:
    """The id of the change that is open now."""
    task = await coordinator.task(project, title=title)
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    spent = Usage(cost_micros=1_260_000, input_tokens=90_000, output_tokens=7_000)
    assert (await worker.finish(grant, change=change_of(grant), usage=spent)).status_code == 200
    return str((await coordinator.until_task(task["id"], "completed"))["change_id"])


async def closed(coordinator: RunningCoordinator, worker: WireWorker, change: str) -> None:
    await coordinator.post(f"/changes/{change}/close", status=202)
    errand = (await worker.poll(slots=0, wait=10.0)).errands[0]
    done = ErrandReport(fence=errand.fence, done=True)
    answer = await worker.post(f"/errands/{errand.id}", done)
    assert answer.status_code == 200, answer.text


async def asks(coordinator: RunningCoordinator, worker: WireWorker, project: str) -> None:
    """An execution that waits for a person."""
    await coordinator.task(project, title="Postgres advisory lock leaks")
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    question = AskRequest(
        fence=grant.fence,
        question_id="look-1",
        node="implement",
        question="May the migration take a lock on the whole table?",
        choices=["approve", "reject"],
    )
    assert (await worker.post(f"/executions/{grant.execution_id}/ask", question)).status_code == 200
