"""What is changed while tasks are queued takes effect at once, and a wrong summary is put right, loudly."""

import asyncio

import httpx
import msgspec
from sqlalchemy import text
from structlog.testing import capture_logs

from pullyard.protocol.enrolment import ConnectRequest
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator

DRIFT = (
    "UPDATE project_queue SET queued = 0, running = 1, lane_ids = '{}'",
    "UPDATE project_queue SET queued = queued + 5",
    "UPDATE project_queue SET lane_ids = '{}'",
)


async def connect(worker: WireWorker, *labels: str) -> httpx.Response:
    wish = ConnectRequest(protocol_versions=[1], software_version="0", labels=list(labels), slots=4)
    return await worker.http.post("/worker/v1/connect", content=msgspec.json.encode(wish))


async def test_a_new_priority_changes_the_order(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    await coordinator.task(project_id)
    late = await coordinator.task(project_id)
    answer = await coordinator.http.patch(f"/api/v1/tasks/{late['id']}", json={"priority": 7})
    assert answer.status_code == 200
    assert (await (await coordinator.worker()).claim()).task.id == late["id"]


async def test_a_project_with_more_room_gives_more_at_once(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    for _ in range(2):
        await coordinator.task(project_id)
    worker = await coordinator.worker()
    assert len((await worker.poll(slots=2, wait=5)).grants) == 1
    poll = asyncio.create_task(worker.poll(slots=2, wait=20))
    await coordinator.http.patch(f"/api/v1/projects/{project_id}", json={"max_running": 2})
    assert len((await poll).grants) == 1


async def test_what_no_worker_can_meet_is_shown_until_one_connects_with_it(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker("gpu")
    task = await coordinator.task(await coordinator.project(), labels=["gpu"])
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == []
    assert (await connect(worker, "other")).status_code == 200
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == ["gpu"]
    assert not (await worker.poll()).grants
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "queued"
    assert (await connect(worker, "gpu")).status_code == 200
    assert (await worker.claim(wait=5)).task.id == task["id"]


async def test_a_wrong_summary_is_repaired_with_an_error_in_the_log(database_url: str) -> None:
    async with running_coordinator(database_url, caretaker_seconds=1000, drift_seconds=0.001) as coordinator:
        services, project_id = coordinator.served.services, await coordinator.project()
        task = await coordinator.task(project_id)
        for damage in DRIFT:
            async with services.database.transaction() as connection:
                await connection.execute(text(damage))
            with capture_logs() as lines:
                await services.caretakers.round(services)
            told = [line for line in lines if line["event"] == "project summary was wrong and is repaired"]
            assert [(line["log_level"], line["project_id"]) for line in told] == [("error", project_id)]
        assert (await (await coordinator.worker()).claim(wait=5)).task.id == task["id"]
