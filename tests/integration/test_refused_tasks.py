"""A worker's owner does not allow a task: it goes to the other workers, and ends only where none takes it."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from pullyard.protocol.worker import Errand, ErrandReport
from tests.coordinator import RunningCoordinator, WireWorker

WORDS = "This worker's policy refuses it by its rule for '/srv/': no."


async def refuse(worker: WireWorker) -> Any:
    grant = await worker.claim()
    answer = await worker.finish(grant, reason="policy_refused", message=WORDS)
    assert answer.status_code == 200, answer.text
    return grant


async def test_a_refused_task_is_for_another_worker_and_says_why(coordinator: RunningCoordinator) -> None:
    strict, lax = await coordinator.worker(), await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    await refuse(strict)
    waiting = await coordinator.get(f"/tasks/{task['id']}")
    assert (waiting["state"], waiting["reason"], waiting["message"]) == ("queued", "policy_refused", WORDS)
    assert not (await strict.poll(wait=0.2)).grants
    await lax.deliver(await lax.claim())
    ended = await coordinator.get(f"/tasks/{task['id']}")
    assert (ended["state"], ended["reason"], ended["tries"]) == ("completed", None, 1)


async def test_who_has_not_refused_gets_it_while_all_others_wait_too(coordinator: RunningCoordinator) -> None:
    strict = [await coordinator.worker() for _ in range(3)]
    lax = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    for worker in strict:
        await refuse(worker)
    polls = [asyncio.create_task(one.poll(wait=2)) for one in (*strict, lax)]
    *refusers, last = await asyncio.gather(*polls)
    assert [grant.task.id for grant in last.grants] == [task["id"]]
    assert not any(answer.grants for answer in refusers)


async def test_a_task_that_nobody_takes_fails_and_is_tried_again_by_all(
    coordinator: RunningCoordinator,
) -> None:
    workers = [await coordinator.worker() for _ in range(2)]
    task = await coordinator.task(await coordinator.project())
    for _ in range(2):
        for worker in workers:
            await refuse(worker)
        ended = await coordinator.get(f"/tasks/{task['id']}")
        assert (ended["state"], ended["reason"], ended["message"]) == ("failed", "policy_refused", WORDS)
        await coordinator.post(f"/tasks/{task['id']}/retry", {}, 200)


async def test_what_was_begun_is_not_given_to_another_worker(coordinator: RunningCoordinator) -> None:
    """An agent has worked on it, which costs: only what another try would find is left."""
    worker, _other = await coordinator.worker(), await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    await worker.finish(grant, reason="policy_refused", message=WORDS)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "failed"


async def test_a_worker_without_the_labels_is_no_other_worker(coordinator: RunningCoordinator) -> None:
    only, _other = await coordinator.worker("here"), await coordinator.worker()
    task = await coordinator.task(await coordinator.project(labels=["here"]))
    await refuse(only)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "failed"


@pytest.mark.parametrize("by", ["an edit", "time"])
async def test_who_refused_it_is_asked_again_after(coordinator: RunningCoordinator, by: str) -> None:
    strict, _other = await coordinator.worker(), await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    await refuse(strict)
    if by == "time":
        past = "UPDATE tasks SET refused_until = now() WHERE id = :id AND refused_until > now()"
        async with coordinator.served.services.database.transaction() as connection:
            assert (await connection.execute(text(past), {"id": task["id"]})).rowcount == 1
    else:
        version = (await coordinator.get(f"/tasks/{task['id']}"))["version"]
        edit = await coordinator.http.patch(
            f"/api/v1/tasks/{task['id']}", json={"title": "Other"}, headers={"if-match": str(version)}
        )
        assert edit.status_code == 200, edit.text
    assert (await strict.claim()).task.id == task["id"]


async def errand_of(worker: WireWorker) -> Errand:
    (errand,) = (await worker.poll(wait=10)).errands
    return errand


async def report(worker: WireWorker, errand: Errand, **said: Any) -> None:
    answer = await worker.post(f"/errands/{errand.id}", ErrandReport(fence=errand.fence, **said))
    assert answer.status_code == 200, answer.text


async def merging(coordinator: RunningCoordinator, worker: WireWorker) -> str:
    """A change that a person has asked to merge."""
    task = await coordinator.task(await coordinator.project())
    await worker.deliver(await worker.claim())
    change_id = (await coordinator.get(f"/tasks/{task['id']}"))["change_id"]
    await coordinator.post(f"/changes/{change_id}/merge", status=202)
    return change_id


async def test_a_refused_errand_is_for_another_worker(coordinator: RunningCoordinator) -> None:
    strict, lax = await coordinator.worker(), await coordinator.worker()
    change_id = await merging(coordinator, lax)
    await report(strict, await errand_of(strict), done=False, refused=True, message=WORDS)
    nothing, given = await asyncio.gather(strict.poll(wait=0.3), lax.poll(wait=10))
    assert not nothing.errands
    await report(lax, given.errands[0], done=True, commit="c" * 40)
    assert (await coordinator.get(f"/changes/{change_id}"))["state"] == "merged"


async def test_an_errand_that_nobody_does_fails_with_the_words(coordinator: RunningCoordinator) -> None:
    workers = [await coordinator.worker() for _ in range(2)]
    change_id = await merging(coordinator, workers[0])
    for worker in workers:
        await report(worker, await errand_of(worker), done=False, refused=True, message=WORDS)
    change = await coordinator.get(f"/changes/{change_id}")
    assert (change["state"], change["errand"]["state"], change["errand"]["message"]) == (
        "open",
        "failed",
        WORDS,
    )
