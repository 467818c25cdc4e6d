"""Which changes a coordinator brings up to date after a merge, how often, and what people are told of it."""

import asyncio
from typing import Any

from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errands import TrialResult
from pullyard.protocol.worker import ChangeLook, ErrandReport, Grant
from tests.coordinator import PATIENCE_SECONDS, RunningCoordinator, WireWorker, running_coordinator
from tests.integration.test_change_conflicts import comparison, open_change, publish, report

RULES = {"change_rules": {"overlap": "update"}}


async def merge(coordinator: RunningCoordinator, worker: WireWorker, change_id: str) -> None:
    await coordinator.post(f"/changes/{change_id}/merge", status=202)
    [errand] = (await worker.poll(slots=0, wait=10)).errands
    assert errand.kind is ErrandKind.MERGE
    done = ErrandReport(fence=errand.fence, done=True, commit="f" * 40)
    # Twice, as where the first answer got lost.
    for _ in range(2):
        assert (await worker.post(f"/errands/{errand.id}", done)).status_code == 200


async def until(coordinator: RunningCoordinator, change_id: str, **wanted: Any) -> dict[str, Any]:
    """The change once ``attention`` begins so, or it is brought up to date ``because_of`` these."""
    cursor = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            change = await coordinator.get(f"/changes/{change_id}")
            update = change["update"] or {"because_of": []}
            seen = {
                "because_of": [one["change_id"] for one in update["because_of"]],
                "attention": (change["attention"] or "")[: len(wanted.get("attention", ""))],
            }
            if all(seen[name] == value for name, value in wanted.items()):
                return change
            page = await coordinator.get(f"/events?cursor={cursor}&limit=500&wait=5")
            cursor = int(page["next"])


async def updated(worker: WireWorker, change_id: str, commit: str) -> Grant:
    grant = await worker.claim()
    assert grant.change is not None
    assert grant.change.id == change_id
    await publish(worker, grant, commit)
    return grant


async def test_only_what_shares_files_or_can_not_be_merged_is_brought_up_to_date(
    coordinator: RunningCoordinator,
) -> None:
    project_id, old = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
    first, sharing, colliding, apart = [
        await open_change(coordinator, old, project_id, commit, path)
        for commit, path in zip("1234", "aabc", strict=True)
    ]
    await merge(coordinator, old, first)
    change = await until(coordinator, sharing, because_of=[first])
    assert [one["number"] for one in change["responses"]] == [5]
    assert (await coordinator.get(f"/changes/{colliding}"))["update"] is None
    # What shares no file waits for what a trial merge shows.
    worker = await coordinator.worker(protocol=4)
    errand = await comparison(worker)
    assert errand.compare is not None
    places = [
        place for place, one in enumerate(errand.compare.merges) if not one.other and one.commit[0] == "3"
    ]
    await report(worker, errand, TrialResult(place=places[0], files=["b"], total=1))
    await until(coordinator, colliding, because_of=[first])
    await coordinator.events()
    left = await coordinator.get(f"/changes/{apart}")
    assert (left["update"], left["responses"]) == (None, [])


async def test_a_change_is_updated_some_times_and_then_a_person_is_asked(
    coordinator: RunningCoordinator,
) -> None:
    project_id = await coordinator.project(**RULES, forge_events={"rounds": 1})
    worker = await coordinator.worker(protocol=3)
    first = await open_change(coordinator, worker, project_id, "1")
    late = await open_change(coordinator, worker, project_id, "2")
    await merge(coordinator, worker, first)
    await until(coordinator, late, because_of=[first])
    grant = await updated(worker, late, "3")
    assert grant.task.title == "Bring up to date: Mend it"
    assert "> Task 1: Mend it" in grant.task.description
    assert (await coordinator.get(f"/changes/{late}"))["commit"] == "3" * 40
    second = await open_change(coordinator, worker, project_id, "4")
    await merge(coordinator, worker, second)
    change = await until(coordinator, late, attention="It was brought up to date once, and another change")
    assert len(change["responses"]) == 1
    await merge(coordinator, worker, await open_change(coordinator, worker, project_id, "6", "elsewhere"))
    # A person goes on with it. What was merged waits until that is done, and is not forgotten.
    await coordinator.post(f"/changes/{late}/respond", {"text": "Say it twice."})
    await coordinator.events()
    change = await coordinator.get(f"/changes/{late}")
    assert (change["attention"], len(change["responses"])) == (None, 2)
    await updated(worker, late, "5")
    await until(coordinator, late, because_of=[second])


async def test_a_failed_update_is_told_and_the_next_merge_tries_again(
    coordinator: RunningCoordinator,
) -> None:
    project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
    first, second, late = [await open_change(coordinator, worker, project_id, commit) for commit in "123"]
    await merge(coordinator, worker, first)
    await until(coordinator, second, because_of=[first])
    await until(coordinator, late, because_of=[first])
    await updated(worker, second, "4")
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    assert (await worker.finish(grant, reason=Reason.AGENT_FAILED)).status_code == 200
    change = await until(coordinator, late, attention="Task #5, which was to bring it up to date")
    assert change["commit"] == "3" * 40
    await merge(coordinator, worker, second)
    change = await until(coordinator, late, because_of=[second])
    assert change["attention"] is None
    await updated(worker, late, "5")


async def test_no_rule_no_update(coordinator: RunningCoordinator) -> None:
    project_id, worker = await coordinator.project(), await coordinator.worker(protocol=3)
    first, late = [await open_change(coordinator, worker, project_id, commit) for commit in "12"]
    await merge(coordinator, worker, first)
    await coordinator.events()
    assert (await coordinator.get(f"/changes/{late}"))["update"] is None
    wish = {"title": "x", "workflow": "change-update"}
    refused = await coordinator.http.post(f"/api/v1/projects/{project_id}/tasks", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (422, "change-missing")


async def test_a_look_that_finds_nothing_takes_no_failed_update_from_sight(database_url: str) -> None:
    async with running_coordinator(database_url, caretaker_seconds=0.05) as coordinator:
        project_id, worker = await coordinator.project(**RULES), await coordinator.worker(protocol=3)
        first = await open_change(coordinator, worker, project_id, "1")
        task = await coordinator.task(project_id)
        await publish(worker, await worker.claim(), "2", url="https://forge.test/a/b/pull/1")
        late = (await coordinator.until_task(task["id"], "completed"))["change_id"]
        [errand] = (await worker.poll(slots=0, wait=10)).errands
        assert errand.kind is ErrandKind.LOOK
        await merge(coordinator, worker, first)
        await until(coordinator, late, because_of=[first])
        grant = await worker.claim()
        await worker.walk(grant, "prepare", "implement")
        assert (await worker.finish(grant, reason=Reason.AGENT_FAILED)).status_code == 200
        told = await until(coordinator, late, attention="Task #3, which was to bring it up to date")
        look = ChangeLook(state=ChangeState.OPEN, commit="2" * 40, asked="2" * 40, approved=True)
        done = ErrandReport(fence=errand.fence, done=True, look=look)
        assert (await worker.post(f"/errands/{errand.id}", done)).status_code == 200
        change = await coordinator.get(f"/changes/{late}")
        assert (change["forge_status"]["approved"], change["attention"]) == (True, told["attention"])
