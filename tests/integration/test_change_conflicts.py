"""What a coordinator asks of open changes that may collide, and what it takes from a worker that answers."""

from typing import Any

import msgspec

from pullyard.lifecycle.change import ErrandKind
from pullyard.protocol.errands import CompareReport, TrialResult
from pullyard.protocol.worker import Diffstat, Errand, ErrandReport, FileChange, Grant
from tests.coordinator import RunningCoordinator, WireWorker, change_of


async def open_change(
    coordinator: RunningCoordinator, worker: WireWorker, project_id: str, commit: str, path: str = "a"
) -> str:
    task = await coordinator.task(project_id)
    await publish(worker, await worker.claim(), commit, path)
    return (await coordinator.until_task(task["id"], "completed"))["change_id"]


async def publish(
    worker: WireWorker, grant: Grant, commit: str, path: str = "a", *, url: str | None = None
) -> None:
    diffstat = Diffstat(files=[FileChange(path=path, status="modified")], additions=1, deletions=0)
    change = msgspec.structs.replace(change_of(grant), commit=commit * 40, diffstat=diffstat, url=url)
    await worker.walk(grant, "prepare", "implement", "verify", "publish")
    assert (await worker.finish(grant, change=change)).status_code == 200


async def comparison(worker: WireWorker) -> Errand:
    [errand] = (await worker.poll(slots=0, wait=10)).errands
    assert errand.kind is ErrandKind.COMPARE
    assert errand.compare is not None
    return errand


async def report(worker: WireWorker, errand: Errand, *results: TrialResult, **more: Any) -> None:
    said = ErrandReport(
        **{"fence": errand.fence, "done": True, "compare": CompareReport(results=list(results)), **more}
    )
    answer = await worker.post(f"/errands/{errand.id}", said)
    assert answer.status_code == 200, answer.text


async def conflicts(
    coordinator: RunningCoordinator, change_id: str
) -> list[tuple[str | None, list[str], int]]:
    change = await coordinator.get(f"/changes/{change_id}")
    return [(one["change_id"], one["files"], one["total"]) for one in change["conflicts"]]


def merges_of(errand: Errand) -> set[tuple[str, str, str]]:
    assert errand.compare is not None
    return {(one.commit[:1], one.other[:1], one.base_branch) for one in errand.compare.merges}


async def test_what_is_asked_once_is_asked_again_only_when_something_moved(
    coordinator: RunningCoordinator,
) -> None:
    project_id, worker = await coordinator.project(), await coordinator.worker(protocol=4)
    one = await open_change(coordinator, worker, project_id, "1")
    errand = await comparison(worker)
    assert merges_of(errand) == {("1", "", "main")}
    # The worker could not look, and is not asked for ever.
    await report(worker, errand, done=False, message="Nobody is there.")
    other = await open_change(coordinator, worker, project_id, "2")
    errand = await comparison(worker)
    assert merges_of(errand) == {("2", "", "main"), ("1", "2", "main")}
    assert errand.compare is not None
    pair = [merge.other != "" for merge in errand.compare.merges].index(True)
    hostile = "\x1b[2J\0" + "x" * 1000
    await report(
        worker,
        errand,
        TrialResult(place=pair, files=["a", hostile], total=1),
        TrialResult(place=99, files=["nowhere"], total=1),
        TrialResult(place=-1, files=["nowhere"], total=1),
    )
    found = ["a", ("\x1b[2J\ufffd" + "x" * 1000)[:500]]
    assert await conflicts(coordinator, one) == [(other, found, 2)]
    assert await conflicts(coordinator, other) == [(one, found, 2)]
    told = [event for event in await coordinator.events(project_id) if event["kind"] == "change.conflicts"]
    assert {event["payload"]["change_id"] for event in told} == {one, other}
    # What is over collides with nothing.
    await open_change(coordinator, worker, project_id, "3")
    errand = await comparison(worker)
    assert merges_of(errand) == {("3", "", "main"), ("1", "3", "main"), ("2", "3", "main")}
    await report(worker, errand)
    await coordinator.post(f"/changes/{other}/close", status=202)
    [close] = (await worker.poll(slots=0, wait=10)).errands
    assert (await worker.post(f"/errands/{close.id}", ErrandReport(fence=close.fence, done=True))).is_success
    assert await conflicts(coordinator, one) == []
    # Nothing was told of two of the merges, so they are asked for when the rest is.
    assert merges_of(await comparison(worker)) == {("1", "", "main"), ("3", "", "main"), ("1", "3", "main")}


async def test_only_the_newest_changes_are_compared_and_older_workers_are_not_asked(
    coordinator: RunningCoordinator,
) -> None:
    project_id, old = await coordinator.project(), await coordinator.worker(protocol=3)
    changes = [await open_change(coordinator, old, project_id, f"{number % 10}") for number in range(22)]
    assert (await old.poll(slots=0)).errands == []
    worker = await coordinator.worker(protocol=4)
    errand = await comparison(worker)
    assert errand.compare is not None
    bases = [merge for merge in errand.compare.merges if not merge.other]
    assert (len(bases), len(errand.compare.merges)) == (20, 20 + 190)
    await report(worker, errand)
    assert await conflicts(coordinator, changes[0]) == []
    # Those that were never tried do not have anybody asked for ever.
    await coordinator.events()
    assert (await worker.poll(slots=0)).errands == []
