"""What keeps a task from the queue: other tasks, a time, a draft; and how that changes while it waits."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.coordinator import RunningCoordinator


async def edit(coordinator: RunningCoordinator, task: dict[str, Any], **fields: Any) -> httpx.Response:
    return await coordinator.http.patch(f"/api/v1/tasks/{task['id']}", json=fields)


async def state(coordinator: RunningCoordinator, task: dict[str, Any]) -> tuple[str, str | None]:
    now = await coordinator.get(f"/tasks/{task['id']}")
    return now["state"], now["pending_reason"]


async def assert_summary(coordinator: RunningCoordinator, project_id: str) -> None:
    """The project's summary is the truth, as the caretaker would count it."""
    async with coordinator.served.services.database.transaction() as connection:
        truth = """SELECT q.queued,
            (SELECT count(*) FROM tasks WHERE project_id = :id AND state = 'queued') AS true,
            q.lane_ids @> coalesce((SELECT array_agg(lane_id) FROM tasks
                WHERE project_id = :id AND state = 'queued'), '{}') AS lanes
            FROM project_queue q WHERE q.project_id = :id"""
        row = (await connection.execute(text(truth), {"id": project_id})).one()
        assert (row.queued, row.lanes) == (row.true, True)


async def move_start(coordinator: RunningCoordinator, task: dict[str, Any], by: str) -> None:
    """As if that much time had passed: no test waits for an hour."""
    async with coordinator.served.services.database.transaction() as connection:
        later = f"start_at = start_at + interval '{by}', not_before = not_before + interval '{by}'"
        await connection.execute(text(f"UPDATE tasks SET {later} WHERE id = :id"), {"id": task["id"]})


async def test_a_cycle_is_refused_however_long_it_is(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    first = await coordinator.task(project_id)
    chain = [first]
    for _ in range(4):
        chain.append(await coordinator.task(project_id, depends_on=[chain[-1]["id"]]))
    for task in chain:
        refused = await edit(coordinator, first, depends_on=[task["id"]])
        assert (refused.status_code, refused.json()["code"]) == (422, "dependency-cycle")
    assert await state(coordinator, first) == ("queued", None)
    other = await coordinator.task(await coordinator.project())
    refused = await edit(coordinator, first, depends_on=[other["id"]])
    assert refused.json()["code"] == "unknown-dependency"


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_graphs_stay_free_of_cycles_and_queue_what_they_should(
    coordinator: RunningCoordinator, seed: int
) -> None:
    chance = random.Random(seed)
    project_id = await coordinator.project()
    tasks = [await coordinator.task(project_id) for _ in range(7)]
    edges: dict[int, set[int]] = {number: set() for number in range(7)}

    def reaches(origin: int, target: int) -> bool:
        return origin == target or any(reaches(one, target) for one in edges[origin])

    refusals = 0
    for _ in range(50):
        task = chance.randrange(7)
        wanted = set(chance.sample(range(7), chance.randrange(4)))
        answer = await edit(coordinator, tasks[task], depends_on=[tasks[one]["id"] for one in wanted])
        if any(reaches(one, task) for one in wanted):
            assert answer.json()["code"] == "dependency-cycle"
            refusals += 1
            continue
        assert answer.status_code == 200, answer.text
        edges[task] = wanted
        expected = ("pending", "dependency") if wanted else ("queued", None)
        assert (answer.json()["state"], answer.json()["pending_reason"]) == expected
        assert set(answer.json()["open_dependencies"]) == {tasks[one]["id"] for one in wanted}
    assert refusals > 3
    await assert_summary(coordinator, project_id)


async def test_a_task_waits_again_for_what_it_is_told_to_wait_for(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    worker = await coordinator.worker()
    first, second = await coordinator.task(project_id, priority=5), await coordinator.task(project_id)
    held = (await edit(coordinator, second, depends_on=[first["id"]])).json()
    assert (held["state"], held["open_dependencies"]) == ("pending", [first["id"]])
    await worker.deliver(await worker.claim())
    assert await state(coordinator, second) == ("queued", None)
    await assert_summary(coordinator, project_id)


async def test_a_task_that_waits_for_an_ended_one_can_be_told_not_to(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    first = await coordinator.task(project_id)
    await coordinator.post(f"/tasks/{first['id']}/cancel", status=200)
    draft = await coordinator.task(project_id, draft=True)
    refused = await edit(coordinator, draft, depends_on=[first["id"]])
    assert (refused.status_code, refused.json()["code"]) == (409, "dependency-ended")


async def test_a_scheduled_task_starts_by_the_databases_clock(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project()
    later = datetime.now(UTC) + timedelta(hours=1)
    task = await coordinator.task(project_id, start_at=later.isoformat())
    assert (task["state"], task["pending_reason"]) == ("pending", "scheduled")
    assert datetime.fromisoformat(task["held_until"]) == later
    assert not (await worker.poll(wait=0.3)).grants
    await move_start(coordinator, task, "-61 minutes")
    assert (await worker.claim()).task.id == task["id"]


async def test_a_start_can_be_moved_and_taken_away(coordinator: RunningCoordinator) -> None:
    task = await coordinator.task(await coordinator.project())
    held = (await edit(coordinator, task, start_at="2999-01-01T00:00:00+02:00")).json()
    assert (held["pending_reason"], held["start_at"]) == ("scheduled", "2998-12-31T22:00:00Z")
    assert (await edit(coordinator, task, start_at="2998-01-01T00:00:00Z")).json()[
        "held_until"
    ] == "2998-01-01T00:00:00Z"
    assert (await edit(coordinator, task, start_at=None)).json()["state"] == "queued"
    assert (await edit(coordinator, task, start_at="1999-01-01T00:00:00Z")).json()["state"] == "queued"
    for wrong in ("2999-01-01T00:00:00", "tomorrow", 10**30, "", "9999-12-31T23:59:59-23:59"):
        assert (await edit(coordinator, task, start_at=wrong)).status_code in (200, 422)


async def test_after_its_dependencies_a_task_still_waits_for_its_start(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project()
    worker = await coordinator.worker()
    first = await coordinator.task(project_id)
    second = await coordinator.task(project_id, depends_on=[first["id"]], start_at="2999-01-01T00:00:00Z")
    assert second["pending_reason"] == "dependency"
    assert second["held_until"] is None
    await worker.deliver(await worker.claim())
    assert await state(coordinator, second) == ("pending", "scheduled")


async def test_a_draft_is_kept_back_until_it_is_ready(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    draft = await coordinator.task(project_id, draft=True, start_at="2999-01-01T00:00:00Z")
    assert draft["pending_reason"] == "draft"
    for _ in range(2):
        ready = await coordinator.post(f"/tasks/{draft['id']}/ready", status=200)
        assert (ready["pending_reason"], ready["draft"]) == ("scheduled", False)
    assert (await edit(coordinator, draft, start_at=None, draft=True)).json()["pending_reason"] == "draft"
    assert (await edit(coordinator, draft, draft=False)).json()["state"] == "queued"
    await assert_summary(coordinator, project_id)


async def test_a_queued_task_changes_its_labels_and_its_lane(coordinator: RunningCoordinator) -> None:
    plain, gpu = await coordinator.worker(), await coordinator.worker("gpu")
    project_id = await coordinator.project()
    task = await coordinator.task(project_id, labels=["gpu"])
    assert not (await plain.poll(wait=0.2)).grants
    assert (await edit(coordinator, task, labels=[])).json()["labels"] == []
    await assert_summary(coordinator, project_id)
    grant = await plain.claim()
    await plain.finish(grant, reason="agent_failed")
    assert (await edit(coordinator, task, labels=["gpu", "gpu"])).json()["labels"] == ["gpu"]
    await coordinator.post(f"/tasks/{task['id']}/retry", status=200)
    assert (await gpu.claim()).task.id == task["id"]
    running = await edit(coordinator, task, labels=[])
    assert (running.status_code, running.json()["code"]) == (409, "not-editable")


async def test_a_task_that_never_ran_can_be_removed(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    first = await coordinator.task(project_id)
    second = await coordinator.task(project_id, depends_on=[first["id"]])
    path = "/api/v1/tasks/"
    refused = await coordinator.http.delete(path + first["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "task-needed")
    assert (await coordinator.http.delete(path + second["id"])).status_code == 204
    assert (await coordinator.http.delete(path + first["id"])).status_code == 204
    assert (await coordinator.http.delete(path + first["id"])).status_code == 404
    await assert_summary(coordinator, project_id)
    assert (await coordinator.http.delete(f"/api/v1/projects/{project_id}")).status_code == 204
