"""What happens after a failed try: how often, from where, and on which worker."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from tests.coordinator import RunningCoordinator, WireWorker


async def fail(worker: WireWorker, grant: Any, **fields: Any) -> None:
    answer = await worker.finish(grant, **{"reason": "agent_failed", **fields})
    assert answer.status_code == 200, answer.text


async def test_a_tasks_own_policy_wins_over_its_projects(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project(retry={"max_tries": 1})
    retry = {"max_tries": 2, "backoff_seconds": 0}
    task = await coordinator.task(project_id, retry=retry)
    assert task["retry"]["max_tries"] == 2
    await fail(worker, await worker.claim())
    await fail(worker, await worker.claim())
    ended = await coordinator.get(f"/tasks/{task['id']}")
    assert (ended["state"], ended["tries"]) == ("failed", 2)


async def test_the_wait_between_tries_grows_up_to_its_limit(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    policy = {"max_tries": 9, "backoff_seconds": 100, "backoff_limit_seconds": 250}
    task = await coordinator.task(await coordinator.project(retry=policy))
    waits = []
    for _ in range(3):
        await fail(worker, await worker.claim())
        async with coordinator.served.services.database.transaction() as connection:
            left = "SELECT round(extract(epoch FROM not_before - now()) / 50) * 50 FROM tasks WHERE id = :id"
            waits.append(int(await connection.scalar(text(left), {"id": task["id"]})))
        assert (await coordinator.get(f"/tasks/{task['id']}"))["held_until"] is not None
        await coordinator.post(f"/tasks/{task['id']}/requeue", status=200)
    assert waits == [100, 200, 250]


@pytest.mark.parametrize("resume", [True, False])
async def test_a_try_goes_on_from_saved_work_only_where_the_policy_says_so(
    coordinator: RunningCoordinator, *, resume: bool
) -> None:
    worker = await coordinator.worker()
    policy = {"max_tries": 3, "backoff_seconds": 0, "resume": resume}
    await coordinator.task(await coordinator.project(retry=policy))
    first = await worker.claim()
    await fail(worker, first, salvage_ref="refs/pullyard/salvage/1")
    second = await worker.claim()
    assert second.resume_from == (first.execution_id if resume else None)
    await fail(worker, second)
    assert (await worker.claim()).resume_from is None


async def test_another_worker_is_given_the_next_try(coordinator: RunningCoordinator) -> None:
    """Both wait all the time, in either order, and ten tasks fail where they ran first."""
    workers = {worker.id: worker for worker in [await coordinator.worker() for _ in range(2)]}
    policy = {"max_tries": 2, "backoff_seconds": 0, "another_worker": True}
    project_id = await coordinator.project(retry=policy)
    asked = {worker_id: uuid4().hex for worker_id in workers}
    for _ in range(10):
        task = await coordinator.task(project_id)
        ran = [await run_and_fail(workers, task["id"], asked) for _ in range(2)]
        assert len(set(ran)) == 2


async def run_and_fail(workers: dict[str, WireWorker], task_id: str, asked: dict[str, str]) -> str:
    """Both ask at once; returns who was given the task.

    Who was not asks the same question again, as a worker does: the coordinator may not have noticed yet that
    the first connection is gone.
    """
    polls = {
        asyncio.create_task(one.poll(wait=10, request_id=asked[one.id])): one for one in workers.values()
    }
    done, others = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
    (poll,) = done
    (grant,) = poll.result().grants
    assert grant.task.id == task_id
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    asked[polls[poll].id] = uuid4().hex
    await fail(polls[poll], grant)
    return polls[poll].id


async def test_the_only_worker_is_given_the_next_try_too(coordinator: RunningCoordinator) -> None:
    only, labelled = await coordinator.worker("here"), await coordinator.worker()
    policy = {"max_tries": 2, "backoff_seconds": 0, "another_worker": True}
    project_id = await coordinator.project(retry=policy, labels=["here"])
    await coordinator.task(project_id)
    await fail(only, await only.claim())
    assert not (await labelled.poll(wait=0.2)).grants
    await fail(only, await only.claim())


async def test_a_worker_is_avoided_for_a_while_only(coordinator: RunningCoordinator) -> None:
    one, _idle = await coordinator.worker(), await coordinator.worker()
    policy = {"max_tries": 2, "backoff_seconds": 0, "another_worker": True}
    task = await coordinator.task(await coordinator.project(retry=policy))
    await fail(one, await one.claim())
    assert not (await one.poll(wait=0.3)).grants
    async with coordinator.served.services.database.transaction() as connection:
        past = "UPDATE tasks SET avoid_until = now() WHERE id = :id AND avoid_until > now() + interval '50 s'"
        assert (await connection.execute(text(past), {"id": task["id"]})).rowcount == 1
    assert (await one.claim()).task.id == task["id"]
