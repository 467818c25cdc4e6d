"""Work that touches the same files is seen before it is begun, and waits where its project wants that."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from pullyard.coordinator.caretakers.overlaps import look
from pullyard.coordinator.tasks.overlaps import MOST_TASKS
from pullyard.protocol.worker import Diffstat, FileChange, Grant
from pullyard.store.hot import CONNECTIONS
from tests.coordinator import RunningCoordinator, WireWorker, change_of, running_coordinator


async def queueing(coordinator: RunningCoordinator, **fields: Any) -> str:
    return await coordinator.project(change_rules={"overlap": "queue"}, max_running=4, **fields)


async def deliver(coordinator: RunningCoordinator, worker: WireWorker, grant: Grant, *paths: str) -> str:
    """The id of the open change, which touches these."""
    files = [FileChange(path=path, status="modified", additions=1, deletions=0) for path in paths]
    change = msgspec.structs.replace(
        change_of(grant), diffstat=Diffstat(files=files, additions=len(files), deletions=0)
    )
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    assert (await worker.finish(grant, change=change)).status_code == 200
    return (await coordinator.until_task(grant.task.id, "completed"))["change_id"]


async def change_nothing(worker: WireWorker, grant: Grant) -> None:
    await worker.walk(grant, "prepare", "implement")
    assert (await worker.finish(grant)).status_code == 200


async def end(coordinator: RunningCoordinator, worker: WireWorker, change_id: str, how: str) -> None:
    await coordinator.post(f"/changes/{change_id}/{how}", status=202)
    [errand] = (await worker.poll(slots=0, wait=10)).errands
    said = {"fence": errand.fence, "done": True, "commit": "c" * 40 if how == "merge" else None}
    assert (await worker.post(f"/errands/{errand.id}", msgspec.json.encode(said))).status_code == 200


def overlap(change_id: str | None, task: dict[str, Any], *files: str) -> dict[str, Any]:
    return {"change_id": change_id, "task_id": task["id"], "files": list(files), "total": len(files)}


async def held(coordinator: RunningCoordinator, task: dict[str, Any]) -> tuple[str, str | None, str | None]:
    now = await coordinator.get(f"/tasks/{task['id']}")
    return now["state"], now["pending_reason"], now["waits_for"]


async def test_a_task_shows_what_it_overlaps_with_and_runs_all_the_same(
    coordinator: RunningCoordinator,
) -> None:
    project_id, worker = await coordinator.project(max_running=4), await coordinator.worker()
    hostile = "src/\x1b[2J\nevil\u202e.py"
    first = await coordinator.task(project_id)
    change = await deliver(coordinator, worker, await worker.claim(), "src/a.py", hostile, "docs/b.md")
    runs = await coordinator.task(project_id, target_files=["docs/**/*.md"])
    await worker.claim()
    task = await coordinator.task(project_id, target_files=["src", "docs/b.md", "other"])
    assert task["overlaps"] == [
        overlap(change, first, "docs/b.md", hostile, "src/a.py"),
        overlap(None, runs, "docs/**/*.md"),
    ]
    assert (task["state"], task["waits_for"]) == ("queued", None)
    told = [one for one in await coordinator.events(project_id) if one["kind"] == "task.overlaps"][-1]
    assert [one["total"] for one in told["payload"]["overlaps"]] == [3, 1]
    assert (await worker.claim()).task.id == task["id"]


async def test_other_branches_and_repositories_do_not_overlap(coordinator: RunningCoordinator) -> None:
    project_id, worker = await coordinator.project(), await coordinator.worker()
    await coordinator.task(project_id)
    change = await deliver(coordinator, worker, await worker.claim(), "src/a.py")
    aim = {"target_files": ["src/*.py"]}
    elsewhere = await coordinator.task(await coordinator.project(repository="/srv/other.git"), **aim)
    release = await coordinator.task(project_id, base_branch="release", **aim)
    same = await coordinator.task(await coordinator.project(), **aim)
    assert (elsewhere["overlaps"], release["overlaps"]) == ([], [])
    assert [one["change_id"] for one in same["overlaps"]] == [change]
    # An edit is a new look.
    answer = await coordinator.http.patch(f"/api/v1/tasks/{same['id']}", json={"target_files": ["docs"]})
    assert answer.json()["overlaps"] == []


async def test_a_task_waits_for_the_change_and_goes_on_by_itself(coordinator: RunningCoordinator) -> None:
    project_id, worker = await queueing(coordinator), await coordinator.worker()
    for how in ("merge", "close"):
        first = await coordinator.task(project_id, target_files=["src"])
        grant = await worker.claim()
        later = await coordinator.task(project_id, target_files=["src/a.py"], priority=5)
        other = await coordinator.task(project_id, target_files=["docs"])
        assert await held(coordinator, later) == ("pending", "overlap", first["id"])
        assert (await worker.claim()).task.id == other["id"]
        change = await deliver(coordinator, worker, grant, "src/a.py")
        assert (await coordinator.get(f"/tasks/{later['id']}"))["state"] == "pending"
        await end(coordinator, worker, change, how)
        await coordinator.until_task(later["id"], "queued")
        grant = await worker.claim()
        assert (grant.task.id, (await held(coordinator, later))[1:]) == (later["id"], (None, None))
        for ended in list(worker.held):
            await change_nothing(worker, ended)


async def test_of_what_waits_together_one_runs_and_the_order_holds(coordinator: RunningCoordinator) -> None:
    project_id, worker = await queueing(coordinator), await coordinator.worker()
    low = await coordinator.task(project_id, target_files=["src/*"])
    high = await coordinator.task(project_id, target_files=["src/a.py"], priority=5)
    last = await coordinator.task(project_id, target_files=["**"])
    # Nobody has begun, so the urgent one goes first and the others wait for it.
    await coordinator.until_task(low["id"], "pending")
    assert await held(coordinator, low) == ("pending", "overlap", high["id"])
    given = (await worker.poll(slots=4, wait=10)).grants
    assert [grant.task.id for grant in given] == [high["id"]]
    await worker.beat(*given)
    await change_nothing(worker, given[0])
    await coordinator.until_task(low["id"], "queued")
    assert (await held(coordinator, last))[:2] == ("pending", "overlap")
    assert (await worker.claim()).task.id == low["id"]


async def test_a_person_lets_it_run_and_takes_the_rule_away(coordinator: RunningCoordinator) -> None:
    project_id, worker = await queueing(coordinator), await coordinator.worker()
    await coordinator.task(project_id, target_files=["src"])
    await worker.claim()
    tasks = [await coordinator.task(project_id, target_files=["src/a.py"]) for _ in range(2)]
    assert [task["pending_reason"] for task in tasks] == ["overlap", "overlap"]
    now = await coordinator.post(f"/tasks/{tasks[0]['id']}/requeue", status=200)
    assert (now["state"], now["pending_reason"]) == ("queued", None)
    # It stays so when all are looked at, which the task that has to give way shows.
    behind = await coordinator.task(project_id, target_files=["docs"])
    await coordinator.task(project_id, target_files=["docs"], priority=1)
    await coordinator.until_task(behind["id"], "pending")
    assert await held(coordinator, tasks[0]) == ("queued", None, None)
    answer = await coordinator.http.patch(
        f"/api/v1/projects/{project_id}", json={"change_rules": {"overlap": "warn"}}
    )
    assert answer.status_code == 200
    await coordinator.until_task(tasks[1]["id"], "queued")


async def test_a_retry_and_a_cancelled_task_are_seen(coordinator: RunningCoordinator) -> None:
    project_id, worker = await queueing(coordinator), await coordinator.worker()
    first = await coordinator.task(project_id, target_files=["src"])
    second = await coordinator.task(project_id, target_files=["src"])
    assert await held(coordinator, second) == ("pending", "overlap", first["id"])
    await coordinator.post(f"/tasks/{first['id']}/cancel", status=200)
    await coordinator.until_task(second["id"], "queued")
    again = await coordinator.post(f"/tasks/{first['id']}/retry", status=200)
    # It has the earlier place in the queue, which nobody has taken anything from.
    assert again["state"] == "queued"
    await coordinator.until_task(second["id"], "pending")
    assert (await worker.claim()).task.id == first["id"]
    await coordinator.post(f"/tasks/{second['id']}/cancel", status=200)
    again = await coordinator.post(f"/tasks/{second['id']}/retry", status=200)
    assert (again["state"], again["waits_for"]) == ("pending", first["id"])


async def test_what_another_project_can_not_run_holds_nobody(coordinator: RunningCoordinator) -> None:
    other, project_id = await coordinator.project(), await queueing(coordinator)
    await coordinator.worker("linux")
    await coordinator.task(other, target_files=["docs"], labels=["nobody-has-this"])
    assert (await coordinator.task(project_id, target_files=["docs"]))["state"] == "queued"
    first = await coordinator.task(other, target_files=["src"], labels=["linux"])
    task = await coordinator.task(project_id, target_files=["src"])
    assert await held(coordinator, task) == ("pending", "overlap", first["id"])
    await coordinator.post(f"/projects/{other}/automation/stop", status=200)
    await coordinator.until_task(task["id"], "queued")
    assert (await coordinator.get(f"/tasks/{task['id']}"))["waits_for"] is None


async def test_a_task_behind_very_many_does_not_wait_for_ever(database_url: str) -> None:
    # To make them all may take longer than a lease usually is, and nobody beats meanwhile.
    async with running_coordinator(database_url, lease_seconds=600) as coordinator:
        project_id, worker = await queueing(coordinator), await coordinator.worker()
        await coordinator.task(project_id, target_files=["src"])
        running = await worker.claim()
        ahead = [
            coordinator.task(project_id, target_files=[f"docs/{number}"], priority=1)
            for number in range(MOST_TASKS)
        ]
        await asyncio.gather(*ahead)
        last = await coordinator.task(project_id, target_files=["src/a.py"])
        assert await held(coordinator, last) == ("pending", "overlap", running.task.id)
        await change_nothing(worker, running)
        await coordinator.until_task(last["id"], "queued")


async def test_a_look_takes_no_connection_from_heartbeats(coordinator: RunningCoordinator) -> None:
    project_id, services = await coordinator.project(), coordinator.served.services
    async with AsyncExitStack() as taken, asyncio.timeout(60):
        for _ in range(CONNECTIONS):
            await taken.enter_async_context(services.database.hot.reading())
        assert await look(services, {project_id}, "nothing is behind") == ""
