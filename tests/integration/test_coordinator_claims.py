"""Who gets which task, and that no grant is lost."""

import asyncio
from collections import Counter

import httpx
import msgspec
import pytest

from pullyard.protocol.versions import PROTOCOL_VERSION
from pullyard.protocol.worker import ClaimRequest, HeartbeatAnswer, HeartbeatRequest
from tests.coordinator import RunningCoordinator, running_coordinator


async def test_projects_take_turns_however_long_one_queue_is(coordinator: RunningCoordinator) -> None:
    busy = await coordinator.project(max_running=10)
    for _ in range(4):
        await coordinator.task(busy)
    small = [await coordinator.project() for _ in range(2)]
    for project_id in small:
        await coordinator.task(project_id)
    worker = await coordinator.worker()
    first = [(await worker.claim()).project_id for _ in range(3)]
    assert Counter(first) == {busy: 1, small[0]: 1, small[1]: 1}


async def test_a_project_never_runs_more_than_its_limit(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project(max_running=2)
    for _ in range(4):
        await coordinator.task(project_id)
    worker = await coordinator.worker(slots=4)
    grants = [await worker.claim(), await worker.claim()]
    assert not (await worker.poll()).grants
    await worker.finish(grants[0], reason="no_change")
    assert (await worker.poll(wait=5)).grants


async def test_all_projects_together_never_run_more_than_the_limit(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=2) as coordinator:
        for _ in range(3):
            await coordinator.task(await coordinator.project())
        worker = await coordinator.worker(slots=4)
        assert len((await worker.poll(slots=4, wait=1)).grants) == 2
        assert not (await worker.poll(slots=2)).grants


async def test_the_higher_priority_runs_first(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    await coordinator.task(project_id, title="later")
    urgent = await coordinator.task(project_id, title="now", priority=5)
    worker = await coordinator.worker()
    assert (await worker.claim()).task.id == urgent["id"]


async def test_a_new_task_reaches_a_poll_that_waits(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project()
    poll = asyncio.create_task(worker.poll(wait=20))
    task = await coordinator.task(project_id)
    assert (await poll).grants[0].task.id == task["id"]


async def test_the_same_request_gets_the_same_grant_until_a_heartbeat_names_it(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    first = (await worker.poll(wait=5, request_id="once")).grants
    assert (await worker.poll(request_id="once")).grants == first
    await worker.beat(*first)
    assert not (await worker.poll(request_id="once")).grants


async def test_a_grant_that_is_never_confirmed_goes_back_uncounted(database_url: str) -> None:
    async with running_coordinator(database_url, acknowledge_seconds=0.3) as coordinator:
        worker = await coordinator.worker()
        task = await coordinator.task(await coordinator.project())
        lost = (await worker.poll(wait=5, request_id="lost")).grants[0]
        again = await worker.claim()
        assert again.task.id == task["id"]
        assert again.fence > lost.fence
        assert (await coordinator.get(f"/tasks/{task['id']}"))["tries"] == 0


async def test_a_poll_that_hung_up_swallows_no_task(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    project_id = await coordinator.project()
    wish = ClaimRequest(request_id="gone", slots=1, wait_seconds=30)
    gives_up = httpx.Timeout(30, read=0.3)
    with pytest.raises(httpx.ReadTimeout):
        await worker.http.post("/worker/v1/claim", content=msgspec.json.encode(wish), timeout=gives_up)
    task = await coordinator.task(project_id)
    other = await coordinator.worker()
    assert (await other.claim(wait=5)).task.id == task["id"]


async def test_labels_decide_who_may_take_a_task(coordinator: RunningCoordinator) -> None:
    plain = await coordinator.worker()
    task = await coordinator.task(await coordinator.project(labels=["linux"]), labels=["gpu"])
    assert sorted((await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"]) == ["gpu", "linux"]
    assert not (await plain.poll()).grants
    strong = await coordinator.worker("gpu", "linux", "fast")
    assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == []
    assert (await strong.claim()).task.id == task["id"]


async def test_a_worker_that_can_do_less_for_a_while_takes_less(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker("gpu", protocol=PROTOCOL_VERSION)
    task = await coordinator.task(await coordinator.project(), labels=["gpu"])
    for labels in (["linux"], []):
        await worker.ask("/heartbeat", HeartbeatRequest(labels=labels), HeartbeatAnswer)
        assert (await coordinator.get(f"/tasks/{task['id']}"))["unmet_labels"] == ["gpu"]
        assert not (await worker.poll()).grants
    # What the coordinator knows by itself of its version, no heartbeat takes from it.
    (known,) = (await coordinator.get("/workers"))["items"]
    assert known["labels"] == ["protocol=2"]
    for _ in range(2):
        await worker.ask("/heartbeat", HeartbeatRequest(labels=["gpu"]), HeartbeatAnswer)
    assert (await worker.claim()).task.id == task["id"]
    told = [event for event in await coordinator.events() if event["kind"] == "worker.relabelled"]
    assert [event["payload"]["labels"] for event in told] == [["linux"], [], ["gpu"]]


async def test_new_labels_of_a_project_move_its_queued_tasks(coordinator: RunningCoordinator) -> None:
    plain = await coordinator.worker()
    project_id = await coordinator.project(labels=["gpu"])
    await coordinator.task(project_id)
    assert not (await plain.poll()).grants
    await coordinator.http.patch(f"/api/v1/projects/{project_id}", json={"labels": []})
    assert (await plain.poll(wait=5)).grants


async def test_a_draining_worker_is_told_and_takes_nothing(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await coordinator.post(f"/workers/{worker.id}/drain", status=200)
    await coordinator.task(await coordinator.project())
    assert (await worker.beat()).drain
    assert not (await worker.poll()).grants
    await coordinator.post(f"/workers/{worker.id}/resume", status=200)
    assert (await worker.poll(wait=5)).grants


async def test_many_workers_at_once_take_every_task_exactly_once(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=1000) as coordinator:
        tasks = set()
        for _ in range(4):
            project_id = await coordinator.project(max_running=2)
            tasks |= {(await coordinator.task(project_id))["id"] for _ in range(5)}

        async def work() -> list[str]:
            worker = await coordinator.worker()
            done: list[str] = []
            while grants := (await worker.poll(slots=2, wait=1)).grants:
                await worker.beat(*grants)
                for grant in grants:
                    assert (await worker.finish(grant, reason="no_change")).status_code == 200
                    done.append(grant.task.id)
            return done

        done = [task_id for part in await asyncio.gather(*(work() for _ in range(5))) for task_id in part]
        assert sorted(done) == sorted(tasks)
