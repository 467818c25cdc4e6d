"""A person steps in, and a worker that can't do its work takes itself out."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.coordinator import RunningCoordinator, WireWorker
from tests.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]


async def fail(worker: WireWorker, reason: str = "sandbox_unavailable") -> None:
    answer = await worker.finish(await worker.claim(), reason=reason)
    assert answer.status_code == 200, answer.text


async def shown(coordinator: RunningCoordinator, worker: WireWorker) -> dict[str, Any]:
    return await coordinator.get(f"/workers/{worker.id}")


async def queue(coordinator: RunningCoordinator, tasks: int, **project: Any) -> list[dict[str, Any]]:
    project_id = await coordinator.project(**project)
    return [await coordinator.task(project_id) for _ in range(tasks)]


async def test_a_worker_that_fails_three_tasks_in_a_row_takes_itself_out(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    await queue(coordinator, 5)
    for _ in range(2):
        await fail(worker)
        assert (await shown(coordinator, worker))["state"] != "quarantined"
    await fail(worker, "disk_full")
    out = await shown(coordinator, worker)
    assert out["state"] == "quarantined"
    assert "3 tasks in a row" in out["quarantine_reason"]
    assert "disk_full" in out["quarantine_reason"]
    assert not (await worker.poll(wait=0.3)).grants
    await worker.beat()
    assert (await shown(coordinator, worker))["state"] == "quarantined"
    events = await coordinator.events()
    assert [one["payload"]["worker_id"] for one in events if one["kind"] == "worker.quarantined"] == [
        worker.id
    ]


async def test_a_released_worker_begins_anew(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await queue(coordinator, 6)
    for _ in range(3):
        await fail(worker)
    released = await coordinator.post(f"/workers/{worker.id}/release", status=200)
    assert (released["state"], released["quarantine_reason"]) == ("offline", None)
    await worker.beat()
    for _ in range(2):
        await fail(worker)
    assert (await shown(coordinator, worker))["state"] != "quarantined"
    await fail(worker)
    assert (await shown(coordinator, worker))["state"] == "quarantined"


@pytest.mark.parametrize("between", [None, "agent_failed"])
async def test_what_shows_a_worker_to_be_sound_ends_the_row(
    coordinator: RunningCoordinator, between: str | None
) -> None:
    worker = await coordinator.worker()
    await queue(coordinator, 5)
    for ending in ("sandbox_unavailable", "sandbox_unavailable", between, *["sandbox_unavailable"] * 2):
        if ending is None:
            await worker.deliver(await worker.claim())
        else:
            await fail(worker, ending)
    assert (await shown(coordinator, worker))["state"] != "quarantined"


async def test_one_task_and_an_interruption_are_no_row(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await queue(coordinator, 1, retry={"max_tries": 4, "backoff_seconds": 0})
    for _ in range(4):
        await fail(worker)
    await queue(coordinator, 4)
    for _ in range(4):
        await fail(worker, "interrupted")
    assert (await shown(coordinator, worker))["state"] != "quarantined"


async def test_quarantine_by_hand_lets_work_go_on_or_takes_it_back(coordinator: RunningCoordinator) -> None:
    worker, other = await coordinator.worker(), await coordinator.worker()
    first, second = (await queue(coordinator, 1)) + (await queue(coordinator, 1))
    grants = [await worker.claim(), await worker.claim()]
    out = await coordinator.post(f"/workers/{worker.id}/quarantine", {"reason": "smoke"}, status=200)
    assert (out["state"], out["quarantine_reason"], out["running"]) == ("quarantined", "smoke", 2)
    assert (await worker.deliver(grants[0])).status_code == 200
    body = {"reason": "fire", "take_back": True}
    out = await coordinator.post(f"/workers/{worker.id}/quarantine", body, status=200)
    assert out["running"] == 0
    assert (await worker.beat(grants[1])).lost == [grants[1].execution_id]
    assert (await worker.finish(grants[1])).status_code == 409
    again = await other.claim()
    assert again.task.id in (first["id"], second["id"])
    entries = (await coordinator.get(f"/audit?target={worker.id}"))["items"]
    assert [one["details"].get("reason") for one in entries] == ["fire", "smoke"]


async def test_a_drained_worker_takes_nothing_even_where_it_waits_already(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    await coordinator.post(f"/workers/{worker.id}/drain", status=200)
    await queue(coordinator, 1)
    assert not (await worker.poll(wait=0.3)).grants
    await coordinator.post(f"/workers/{worker.id}/resume", status=200)
    await worker.claim()


@pytest.mark.parametrize("by", ["task", "execution", "worker"])
async def test_a_running_task_is_taken_back_and_queued_again(
    coordinator: RunningCoordinator, by: str
) -> None:
    worker, other = await coordinator.worker(), await coordinator.worker()
    (task,) = await queue(coordinator, 1)
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    address = {
        "task": f"/tasks/{task['id']}/requeue",
        "execution": f"/executions/{grant.execution_id}/requeue",
        "worker": f"/workers/{worker.id}/requeue",
    }[by]
    await coordinator.post(address, {"reason": "It is stuck."}, status=200)
    now = await coordinator.get(f"/tasks/{task['id']}")
    assert (now["state"], now["reason"], now["tries"]) == ("queued", "taken_back", 0)
    assert "It is stuck." in now["message"]
    assert (await worker.finish(grant)).status_code == 409
    assert (await other.claim()).task.id == task["id"]
    lost = await coordinator.get(f"/executions/{grant.execution_id}")
    assert (lost["state"], lost["fault"]) == ("lost", "person")


async def test_a_task_may_be_taken_back_any_number_of_times(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    (task,) = await queue(coordinator, 1)
    for _ in range(14):
        await worker.claim()
        await coordinator.post(f"/tasks/{task['id']}/requeue", status=200)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "queued"


async def test_what_has_ended_or_is_held_is_not_requeued(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    (task,) = await queue(coordinator, 1)
    assert (await coordinator.post(f"/tasks/{task['id']}/requeue", status=200))["state"] == "queued"
    grant = await worker.claim()
    await worker.deliver(grant)
    for path in (f"/tasks/{task['id']}", f"/executions/{grant.execution_id}"):
        refused = await coordinator.http.post(f"/api/v1{path}/requeue")
        assert (refused.status_code, refused.json()["code"]) == (409, "illegal-transition")
    draft = await coordinator.task(task["project_id"], draft=True)
    refused = await coordinator.http.post(f"/api/v1/tasks/{draft['id']}/requeue")
    assert refused.json()["code"] == "illegal-transition"


async def test_a_cancelled_execution_that_is_taken_back_stays_cancelled(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    (task,) = await queue(coordinator, 1)
    await worker.claim()
    await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    assert (await coordinator.post(f"/tasks/{task['id']}/requeue", status=200))["state"] == "cancelled"


async def test_a_removed_worker_is_gone_and_its_work_is_not(coordinator: RunningCoordinator) -> None:
    worker, other = await coordinator.worker(), await coordinator.worker()
    (task,) = await queue(coordinator, 1)
    grant = await worker.claim()
    assert (await coordinator.http.delete(f"/api/v1/workers/{worker.id}")).status_code == 204
    assert [one["id"] for one in (await coordinator.get("/workers"))["items"]] == [other.id]
    for call in (coordinator.http.delete, coordinator.http.get):
        assert (await call(f"/api/v1/workers/{worker.id}")).status_code == 404
    assert (await coordinator.http.post(f"/api/v1/workers/{worker.id}/release")).status_code == 404
    assert (await worker.finish(grant)).status_code == 401
    assert (await other.claim()).task.id == task["id"]
    assert (await coordinator.get(f"/executions/{grant.execution_id}"))["worker_id"] == worker.id


async def test_the_look_back_uses_an_index(coordinator: RunningCoordinator) -> None:
    """Also where the worker has run many thousands: it happens after a failure, while others wait."""
    async with coordinator.served.services.database.transaction() as connection:
        plan = "EXPLAIN SELECT task_id FROM task_executions WHERE worker_id = 'x' ORDER BY id DESC LIMIT 50"
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        lines = (await connection.scalars(text(plan))).all()
    assert "task_executions_worker" in "\n".join(lines)
