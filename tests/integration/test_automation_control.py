"""Start, pause, resume and stop through the API: what is claimed, what goes on, and what is refused."""

import asyncio
from typing import Any

import pytest

from pullyard.lifecycle.automation import AUTOMATION_TRANSITIONS, AutomationEvent, AutomationState
from tests.coordinator import RunningCoordinator

CALLS = ("start", "pause", "resume", "stop")
WAYS = {"stopped": ["stop"], "running": [], "paused": ["pause"], "halted": []}


async def call(coordinator: RunningCoordinator, project: str, verb: str, status: int = 200) -> dict[str, Any]:
    body = {"task_list": None} if verb == "start" else None
    return await coordinator.post(f"/projects/{project}/automation/{verb}", body, status=status)


async def status(coordinator: RunningCoordinator, project: str) -> dict[str, Any]:
    return await coordinator.get(f"/projects/{project}/automation")


async def halt(coordinator: RunningCoordinator, project: str) -> None:
    """By the failure of a task that nobody waits at."""
    await coordinator.post(f"/projects/{project}/automation/inject", {"tasks": [{"title": "Fail"}]})
    worker = await coordinator.worker()
    await worker.finish(await worker.claim(), reason="agent_failed")


@pytest.mark.parametrize("state", WAYS)
async def test_every_call_does_what_the_table_says(coordinator: RunningCoordinator, state: str) -> None:
    for verb in CALLS:
        project = await coordinator.project()
        for step in WAYS[state]:
            await call(coordinator, project, step)
        if state == "halted":
            await halt(coordinator, project)
        following = AUTOMATION_TRANSITIONS.get((AutomationState(state), AutomationEvent(verb)))
        if following is not None:
            assert (await call(coordinator, project, verb))["state"] == following
            continue
        refused = await call(coordinator, project, verb, status=409)
        legal = [
            one for one in CALLS if (AutomationState(state), AutomationEvent(one)) in AUTOMATION_TRANSITIONS
        ]
        assert refused["details"]["allowed"] == sorted(legal)
        assert (await status(coordinator, project))["state"] == state


async def test_a_paused_project_is_passed_over_and_its_tasks_say_why(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project = await coordinator.project(max_running=2)
    first = await coordinator.task(project)
    grant = await worker.claim()
    second = await coordinator.task(project)
    await call(coordinator, project, "pause")
    assert (await worker.poll(wait=0.3)).grants == []
    shown = await coordinator.get(f"/tasks/{second['id']}")
    assert (shown["state"], shown["pending_reason"]) == ("queued", "automation")
    assert (await worker.deliver(grant)).status_code == 200
    assert (await coordinator.get(f"/tasks/{first['id']}"))["state"] == "completed"
    await call(coordinator, project, "resume")
    assert (await worker.claim()).task.id == second["id"]


async def test_a_stop_puts_back_what_ran_and_a_start_goes_on_with_it(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project = await coordinator.project()
    task = await coordinator.task(project)
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await call(coordinator, project, "stop")
    assert (await worker.beat()).cancel == [grant.execution_id]
    await worker.finish(grant, reason="cancelled", salvage_ref="refs/pullyard/salvage/x")
    shown = await coordinator.get(f"/tasks/{task['id']}")
    assert (shown["state"], shown["pending_reason"], shown["tries"]) == ("queued", "automation", 0)
    assert (await worker.poll(wait=0.3)).grants == []
    await call(coordinator, project, "start")
    again = await worker.claim()
    assert (again.task.id, again.resume_from) == (task["id"], grant.execution_id)


async def test_a_cancel_goes_before_a_stop(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project = await coordinator.project()
    task = await coordinator.task(project)
    grant = await worker.claim()
    await call(coordinator, project, "stop")
    await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    await worker.finish(grant, reason="cancelled")
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "cancelled"


async def test_what_was_delivered_in_spite_of_a_stop_is_completed(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project = await coordinator.project()
    task = await coordinator.task(project)
    grant = await worker.claim()
    await call(coordinator, project, "stop")
    await worker.deliver(grant)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "completed"


async def test_calls_at_the_same_time_come_one_after_the_other(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project()
    answers = await asyncio.gather(
        *(
            coordinator.http.post(f"/api/v1/projects/{project}/automation/{verb}", json=body)
            for verb, body in [
                ("start", {"task_list": None}),
                ("pause", None),
                ("resume", None),
                ("stop", None),
            ]
            for _ in range(5)
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    events = await coordinator.events(project)
    moves = [(one["payload"]["from"], one["payload"]["state"]) for one in events if "from" in one["payload"]]
    legal = {(str(origin), str(target)) for (origin, _), target in AUTOMATION_TRANSITIONS.items()}
    state = "running"
    for origin, target in moves:
        assert origin == state
        assert (origin, target) in legal
        state = target
    assert (await status(coordinator, project))["state"] == state


async def test_the_status_counts_and_shows_what_comes_next(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project = await coordinator.project()
    titles = ["one", "two", "three"]
    for title in titles:
        await coordinator.task(project, title=title)
    urgent = await coordinator.task(project, title="urgent", priority=5)
    await worker.claim()
    shown = await status(coordinator, project)
    assert [task["id"] for task in shown["current"]] == [urgent["id"]]
    assert [task["title"] for task in shown["next"]] == titles
    assert (shown["done"], shown["total"], shown["tasks"]["queued"]) == (0, 4, 3)


async def test_another_tenants_project_is_unknown(coordinator: RunningCoordinator) -> None:
    for verb in (*CALLS, "sync"):
        refused = await call(coordinator, "proj_" + "0" * 26, verb, status=404)
        assert refused["detail"] == "There is no such project."
