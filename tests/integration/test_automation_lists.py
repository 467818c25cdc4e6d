"""The coordinator's side of a task list: which worker is asked, when, and what a report does."""

import asyncio
from typing import Any

import asyncpg
import pytest

from pullyard.protocol.enrolment import ConnectRequest
from pullyard.protocol.errands import TaskListReport
from pullyard.protocol.worker import ClaimAnswer, Errand, ErrandReport
from tests.coordinator import FAST, RunningCoordinator, WireWorker, running_coordinator

LIST = "- [ ] One\n- [ ] Two\n  - after: One\n"


async def start(coordinator: RunningCoordinator, **fields: Any) -> str:
    project = await coordinator.project(**fields)
    await coordinator.post(f"/projects/{project}/automation/start", status=200)
    return project


async def take(worker: WireWorker) -> Errand:
    """The errand that the worker is given; its room for tasks is none."""
    async with asyncio.timeout(60):
        while not (errands := (await worker.poll(slots=0, wait=1)).errands):
            pass
    return errands[0]


async def tell(worker: WireWorker, errand: Errand, text: str | None = LIST, **said: Any) -> int:
    found = TaskListReport(commit="a" * 40, blob="b" * 40, text=text)
    report = ErrandReport(**{"fence": errand.fence, "done": True, "task_list": found, **said})
    return (await worker.post(f"/errands/{errand.id}", report)).status_code


async def automation(coordinator: RunningCoordinator, project: str) -> dict[str, Any]:
    return await coordinator.get(f"/projects/{project}/automation")


async def test_a_worker_of_before_is_not_asked(coordinator: RunningCoordinator) -> None:
    await start(coordinator)
    old, new = await coordinator.worker(), await coordinator.worker(protocol=2)
    assert await old.poll(slots=0, wait=0.5) == ClaimAnswer()
    errand = await take(new)
    assert errand.kind == "read-task-list"
    assert errand.task_list is not None
    assert errand.task_list.path == "task_lists.md"


async def test_a_report_counts_once_and_only_from_who_was_asked(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker, other = await coordinator.worker(protocol=2), await coordinator.worker(protocol=2)
    errand = await take(worker)
    assert await tell(other, errand) == 409
    assert await tell(worker, errand, fence=errand.fence + 1) == 409
    assert await tell(worker, errand) == 200
    assert await tell(worker, errand, "- [ ] Another\n") == 200
    assert [task["title"] for task in (await automation(coordinator, project))["next"]] == ["One"]


async def test_an_errand_that_nobody_reports_is_given_again(database_url: str) -> None:
    async with running_coordinator(database_url, **FAST | {"errand_seconds": 0.2}) as coordinator:
        project = await start(coordinator)
        worker, other = await coordinator.worker(protocol=2), await coordinator.worker(protocol=2)
        lost = await take(worker)
        again = await take(other)
        assert (again.id, again.fence > lost.fence) == (lost.id, True)
        assert await tell(worker, lost) == 409
        assert await tell(other, again) == 200
        assert (await automation(coordinator, project))["task_list"]["state"] == "read"


async def test_an_errand_of_a_worker_that_begins_anew_is_given_at_once(
    coordinator: RunningCoordinator,
) -> None:
    await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    lost = await take(worker)
    request = ConnectRequest(protocol_versions=[1, 2], software_version="0")
    assert (await worker.post("/connect", request)).status_code == 200
    again = await take(worker)
    assert (again.id, again.fence > lost.fence) == (lost.id, True)
    assert await tell(worker, lost) == 409
    assert await tell(worker, again) == 200


async def test_a_failed_look_changes_nothing_and_is_told(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    await tell(worker, await take(worker))
    await coordinator.post(f"/projects/{project}/automation/sync", status=200)
    await tell(worker, await take(worker), done=False, message="No way.\x00")
    shown = await automation(coordinator, project)
    assert (shown["task_list"]["state"], shown["task_list"]["message"]) == ("failed", "No way.\ufffd")
    assert (shown["tasks"]["queued"], shown["tasks"]["pending"]) == (1, 1)


async def test_a_list_that_is_left_meanwhile_is_not_used(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    errand = await take(worker)
    await coordinator.post(f"/projects/{project}/automation/start", {"task_list": None}, status=200)
    assert await tell(worker, errand) == 200
    shown = await automation(coordinator, project)
    assert (shown["task_list"], shown["total"]) == (None, 0)


async def test_another_list_than_the_one_that_was_read_is_not_used(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    errand = await take(worker)
    await coordinator.post(f"/projects/{project}/automation/start", {"task_list": "b.md"}, status=200)
    assert await tell(worker, errand) == 200
    assert (await automation(coordinator, project))["total"] == 0
    again = await take(worker)
    assert again.task_list is not None
    assert again.task_list.path == "b.md"


async def test_the_list_is_looked_at_from_time_to_time_while_it_runs(
    coordinator: RunningCoordinator, database_url: str
) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    await tell(worker, await take(worker))
    connection = await asyncpg.connect(database_url)
    try:
        await coordinator.post(f"/projects/{project}/automation/pause", status=200)
        await connection.execute("UPDATE task_lists SET due_at = now()")
        assert (await worker.poll(slots=0, wait=0.5)).errands == []
        await coordinator.post(f"/projects/{project}/automation/resume", status=200)
        assert (await take(worker)).task_list.known_blob == "b" * 40
    finally:
        await connection.close()


async def test_what_a_cut_list_does_not_show_is_not_taken_back(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    await tell(worker, await take(worker))
    await coordinator.post(f"/projects/{project}/automation/sync", status=200)
    await tell(worker, await take(worker), "- [ ] One\n" + "words\n" * 50_000)
    shown = await automation(coordinator, project)
    assert (shown["tasks"]["pending"], shown["tasks"]["cancelled"]) == (1, 0)


async def test_a_sync_during_a_look_is_followed_by_another_one(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    errand = await take(worker)
    await coordinator.post(f"/projects/{project}/automation/sync", status=200)
    assert await tell(worker, errand) == 200
    assert (await automation(coordinator, project))["task_list"]["under_way"]
    again = await take(worker)
    assert again.id != errand.id
    assert await tell(worker, again, None) == 200
    shown = await automation(coordinator, project)
    assert (shown["task_list"]["state"], shown["task_list"]["under_way"]) == ("read", False)


async def test_a_list_that_is_found_unchanged_is_read_again(coordinator: RunningCoordinator) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    await tell(worker, await take(worker))
    for done in (False, True):
        await coordinator.post(f"/projects/{project}/automation/sync", status=200)
        await tell(worker, await take(worker), None, done=done, message="" if done else "No way.")
    shown = await automation(coordinator, project)
    assert (shown["task_list"]["state"], shown["task_list"]["message"]) == ("read", "")


@pytest.mark.parametrize(
    "text", ["\x00\x01- [ ] a\n", "- [ ] a\n" * 2000, "x" * 300_000, "- [ ] " + "é" * 3000], ids=range(4)
)
async def test_any_text_is_taken(coordinator: RunningCoordinator, text: str) -> None:
    project = await start(coordinator)
    worker = await coordinator.worker(protocol=2)
    assert await tell(worker, await take(worker), text) == 200
    shown = await automation(coordinator, project)
    assert shown["task_list"]["state"] == "read"
    assert len(shown["task_list"]["warnings"]) <= 200


async def test_a_failed_dependency_keeps_an_item_from_becoming_a_task(
    coordinator: RunningCoordinator,
) -> None:
    project = await start(coordinator, automation_policy={"on_error": "skip"})
    worker = await coordinator.worker(protocol=2)
    await tell(worker, await take(worker), "- [ ] One\n")
    await worker.finish(await worker.claim(), reason="agent_failed")
    await coordinator.post(f"/projects/{project}/automation/sync", status=200)
    await tell(worker, await take(worker))
    shown = await automation(coordinator, project)
    assert shown["total"] == 1
    assert any("retry that one first" in one["message"] for one in shown["task_list"]["warnings"])
    # The text is told again although it is the same, because a retry may have made the item possible.
    await coordinator.post(f"/projects/{project}/automation/sync", status=200)
    again = await take(worker)
    assert again.task_list is not None
    assert again.task_list.known_blob is None
