"""What a failure of an unattended task does to the rest: by the project's error policy."""

from typing import Any

import pytest

from tests.coordinator import RunningCoordinator, WireWorker


async def project_with(coordinator: RunningCoordinator, **policy: Any) -> str:
    return await coordinator.project(automation_policy=policy)


async def inject(
    coordinator: RunningCoordinator, project: str, *wishes: dict[str, Any]
) -> list[dict[str, Any]]:
    body = {"tasks": [{"title": wish.pop("title", "Mend it"), **wish} for wish in wishes]}
    return (await coordinator.post(f"/projects/{project}/automation/inject", body))["tasks"]


async def fail(worker: WireWorker, message: str = "It broke.", log: bytes = b"") -> str:
    """The task that was granted and has failed."""
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    if log:
        await worker.log(grant, log)
    answer = await worker.finish(grant, reason="agent_failed", message=message)
    assert answer.status_code == 200, answer.text
    return grant.task.id


async def automation(coordinator: RunningCoordinator, project: str) -> dict[str, Any]:
    return await coordinator.get(f"/projects/{project}/automation")


async def state(coordinator: RunningCoordinator, task: dict[str, Any]) -> str:
    return (await coordinator.get(f"/tasks/{task['id']}"))["state"]


async def kinds(coordinator: RunningCoordinator, project: str) -> list[str]:
    return [one["kind"] for one in await coordinator.events(project)]


async def test_stop_halts_at_the_first_failure(coordinator: RunningCoordinator) -> None:
    project = await project_with(coordinator)
    worker = await coordinator.worker()
    first, second = await inject(coordinator, project, {}, {})
    await fail(worker, "The compiler is missing.")
    shown = await automation(coordinator, project)
    assert (shown["state"], shown["reason"], shown["task_id"]) == ("halted", "error", first["id"])
    assert "The compiler is missing." in shown["message"]
    assert await state(coordinator, first) == "failed"
    waiting = await coordinator.get(f"/tasks/{second['id']}")
    assert (waiting["state"], waiting["pending_reason"]) == ("queued", "automation")
    await coordinator.post(f"/projects/{project}/automation/resume", status=200)
    assert (await worker.claim()).task.id == second["id"]


async def test_a_task_that_somebody_asked_for_halts_nothing(coordinator: RunningCoordinator) -> None:
    for policy in ("stop", "resolve"):
        project = await project_with(coordinator, on_error=policy)
        worker = await coordinator.worker()
        task = await coordinator.task(project)
        await fail(worker)
        assert await state(coordinator, task) == "failed"
        assert (await automation(coordinator, project))["state"] == "running"


async def test_a_failure_with_tries_left_halts_nothing(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(retry={"max_tries": 2, "backoff_seconds": 0})
    worker = await coordinator.worker()
    await inject(coordinator, project, {})
    await fail(worker)
    assert (await automation(coordinator, project))["state"] == "running"
    await fail(worker)
    assert (await automation(coordinator, project))["state"] == "halted"


async def test_a_failure_after_a_pause_halts(coordinator: RunningCoordinator) -> None:
    project = await project_with(coordinator)
    worker = await coordinator.worker()
    await inject(coordinator, project, {})
    grant = await worker.claim()
    await coordinator.post(f"/projects/{project}/automation/pause", status=200)
    await worker.finish(grant, reason="agent_failed")
    assert (await automation(coordinator, project))["state"] == "halted"


async def test_skip_goes_on_and_what_depends_fails_with_it(coordinator: RunningCoordinator) -> None:
    project = await project_with(coordinator, on_error="skip")
    worker = await coordinator.worker()
    (first,) = await inject(coordinator, project, {})
    dependent, other = await inject(coordinator, project, {"depends_on": [first["id"]]}, {})
    await fail(worker)
    assert (await automation(coordinator, project))["state"] == "running"
    assert "automation.skipped" in await kinds(coordinator, project)
    assert await state(coordinator, dependent) == "failed"
    assert (await worker.claim()).task.id == other["id"]


async def test_resolve_mends_first_and_then_tries_again(coordinator: RunningCoordinator) -> None:
    project = await project_with(coordinator, on_error="resolve")
    worker = await coordinator.worker(protocol=2)
    first, later = await inject(coordinator, project, {"acceptance_criteria": ["it compiles"]}, {})
    dependent = (await inject(coordinator, project, {"depends_on": [first["id"]]}))[0]
    await fail(worker, "No compiler.", log=b"noise\n" * 500 + b"cc: not found\n\x1b[31mboom\n")
    waiting = await coordinator.get(f"/tasks/{first['id']}")
    assert (waiting["state"], waiting["pending_reason"], waiting["reason"]) == (
        "pending",
        "dependency",
        "agent_failed",
    )
    grant = await worker.claim()
    resolution = await coordinator.get(f"/tasks/{grant.task.id}")
    assert (resolution["source"], resolution["resolves"]) == ("resolution", first["id"])
    assert resolution["workflow"] == "error-resolution"
    for words in ("No compiler.", "> cc: not found", "- it compiles"):
        assert words in grant.task.description
    assert "\x1b" not in grant.task.description
    assert len(grant.task.description) < 12_000
    await worker.deliver(grant)
    again = await worker.claim()
    assert again.task.id == first["id"]
    assert (again.resume_from, again.resume_commit) == (grant.execution_id, "b" * 40)
    await worker.deliver(again)
    assert await state(coordinator, dependent) == "queued"
    assert (await worker.claim()).task.id == later["id"]


@pytest.mark.parametrize("resolution", ["succeeds in vain", "fails"])
async def test_after_so_many_resolutions_a_person_is_asked(
    coordinator: RunningCoordinator, resolution: str
) -> None:
    project = await project_with(coordinator, on_error="resolve", max_resolutions=2)
    worker = await coordinator.worker(protocol=2)
    first, later = await inject(coordinator, project, {}, {})
    await fail(worker, "The first words.")
    for _ in range(2):
        if resolution == "succeeds in vain":
            await worker.deliver(await worker.claim())
            assert await fail(worker, "The first words.") == first["id"]
        else:
            assert await fail(worker) not in (first["id"], later["id"])
    shown = await automation(coordinator, project)
    assert (shown["state"], shown["reason"], shown["task_id"]) == ("halted", "escalation", first["id"])
    ended = await coordinator.get(f"/tasks/{first['id']}")
    assert (ended["state"], ended["message"]) == ("failed", "The first words.")
    told = await coordinator.events(project)
    escalated = [one for one in told if one["kind"] == "automation.escalated"]
    assert [one["payload"]["resolutions"] for one in escalated] == [2]
    await coordinator.post(f"/tasks/{first['id']}/retry", status=200)
    assert await state(coordinator, first) == "queued"


async def test_a_cancelled_resolution_fails_what_it_was_for(coordinator: RunningCoordinator) -> None:
    project = await project_with(coordinator, on_error="resolve")
    worker = await coordinator.worker()
    (first,) = await inject(coordinator, project, {})
    await fail(worker, "The first words.")
    shown = await automation(coordinator, project)
    await coordinator.post(f"/tasks/{shown['next'][0]['id']}/cancel", status=200)
    ended = await coordinator.get(f"/tasks/{first['id']}")
    assert (ended["state"], ended["message"]) == ("failed", "The first words.")
    await coordinator.post(f"/tasks/{first['id']}/retry", status=200)


async def test_logs_that_may_not_leave_are_not_told_to_the_resolution(
    coordinator: RunningCoordinator,
) -> None:
    project = await coordinator.project(
        automation_policy={"on_error": "resolve"}, text_policy={"logs": False}
    )
    worker = await coordinator.worker(protocol=2)
    await inject(coordinator, project, {})
    await fail(worker, log=b"a secret thought\n")
    assert "secret thought" not in (await worker.claim()).task.description
