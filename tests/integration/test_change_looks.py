"""Changes are looked at on their forge by a worker, which nobody waits for."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.protocol.worker import ChangeLook, Errand, ErrandReport
from tests.coordinator import RunningCoordinator, WireWorker, change_of, running_coordinator

MERGED = "c" * 40


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, change_look_seconds=0.05, caretaker_seconds=0.05) as running:
        yield running


async def with_change(
    coordinator: RunningCoordinator, protocol: int = 3, url: str | None = "https://forge.test/a/b/pull/1"
) -> tuple[WireWorker, dict[str, Any]]:
    worker = await coordinator.worker(protocol=protocol)
    task = await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    change = msgspec.structs.replace(change_of(grant), url=url)
    assert (await worker.finish(grant, change=change)).status_code == 200
    ended = await coordinator.until_task(task["id"], "completed")
    return worker, await coordinator.get(f"/changes/{ended['change_id']}")


async def errand(worker: WireWorker) -> Errand:
    [given] = (await worker.poll(wait=10)).errands
    return given


async def report(worker: WireWorker, given: Errand, look: ChangeLook | None, **more: Any) -> int:
    said = ErrandReport(**{"fence": given.fence, "done": True, "look": look, **more})
    return (await worker.post(f"/errands/{given.id}", said)).status_code


async def test_a_look_shows_reviews_and_checks_and_then_the_end(coordinator: RunningCoordinator) -> None:
    worker, change = await with_change(coordinator)
    given = await errand(worker)
    assert (given.kind, given.change_id, given.branch) == (ErrandKind.LOOK, change["id"], change["branch"])
    seen = ChangeLook(state=ChangeState.OPEN, commit="b" * 40, approved=True, checks="failing")
    assert [await report(worker, given, seen) for _ in range(2)] == [200, 200]
    now = await coordinator.get(f"/changes/{change['id']}")
    assert now["forge_status"] == {"draft": False, "approved": True, "checks": "failing"}
    assert (now["state"], now["errand"], now["version"]) == ("open", None, 2)
    merged = ChangeLook(state=ChangeState.MERGED, commit="b" * 40, merged_commit=MERGED)
    assert await report(worker, await errand(worker), merged) == 200
    now = await coordinator.get(f"/changes/{change['id']}")
    assert (now["state"], now["merged_commit"]) == ("merged", MERGED)


@pytest.mark.parametrize(
    "look",
    [
        None,
        ChangeLook(state=ChangeState.MERGED, commit="b" * 40),
        ChangeLook(state=ChangeState.OPEN, commit="b" * 40, checks="<b>"),
    ],
)
async def test_what_says_nothing_changes_nothing(
    coordinator: RunningCoordinator, look: ChangeLook | None
) -> None:
    worker, change = await with_change(coordinator)
    assert await report(worker, await errand(worker), look) == 200
    assert await report(worker, await errand(worker), None, done=False, message="No forge.") == 200
    assert await coordinator.get(f"/changes/{change['id']}") == change
    # And it is looked at again.
    assert (await errand(worker)).kind is ErrandKind.LOOK


async def test_a_persons_wish_takes_the_place_of_a_look(coordinator: RunningCoordinator) -> None:
    worker, change = await with_change(coordinator)
    look = await errand(worker)
    merging = f"/changes/{change['id']}/merge"
    assert (await coordinator.post(merging, {"commit": "e" * 40}, 409))["code"] == "commit-moved"
    await coordinator.post(merging, {"commit": change["commit"]}, 202)
    closed = ChangeLook(state=ChangeState.CLOSED, commit="b" * 40)
    assert await report(worker, look, closed) == 409
    merge = await errand(worker)
    assert merge.kind is ErrandKind.MERGE
    assert await report(worker, merge, None, commit=MERGED) == 200
    now = await coordinator.get(f"/changes/{change['id']}")
    assert (now["state"], now["errand"]["kind"]) == ("merged", "merge")


async def test_only_workers_that_know_it_are_asked(coordinator: RunningCoordinator) -> None:
    old, change = await with_change(coordinator, protocol=2)
    assert not (await old.poll(wait=1)).errands
    new = await coordinator.worker(protocol=3)
    given = await errand(new)
    assert given.kind is ErrandKind.LOOK
    await coordinator.post(f"/changes/{change['id']}/close", status=202)
    assert (await errand(old)).kind is ErrandKind.CLOSE


async def test_an_errand_whose_answer_got_lost_is_given_again(coordinator: RunningCoordinator) -> None:
    worker, _ = await with_change(coordinator)
    first = (await worker.poll(wait=10, request_id="one")).errands
    again = (await worker.poll(wait=10, request_id="one")).errands
    assert [one.id for one in again] == [one.id for one in first]
    assert await report(worker, first[0], None) == 409
    assert await report(worker, again[0], None) == 200


async def test_a_change_without_a_page_is_not_looked_at(coordinator: RunningCoordinator) -> None:
    worker, bare = await with_change(coordinator, url=None)
    _, other = await with_change(coordinator)
    assert (await errand(worker)).change_id == other["id"] != bare["id"]
