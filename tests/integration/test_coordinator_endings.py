"""How an execution ends, and what its task does then."""

import pytest
from sqlalchemy import text

from pullyard.coordinator.maintenance import running_database
from pullyard.store.queries import named
from tests.coordinator import RunningCoordinator, change_of, running_coordinator


@pytest.mark.attack("leases: double completion")
async def test_finishing_twice_changes_nothing(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    assert (await worker.deliver(grant)).status_code == 200
    assert (await worker.finish(grant, change=change_of(grant))).status_code == 200
    assert len((await coordinator.get(f"/changes?project_id={task['project_id']}"))["items"]) == 1


@pytest.mark.attack("leases: stale writes")
async def test_a_stale_fence_writes_nothing(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    refused = await worker.finish(grant, fence=grant.fence + 1, reason="agent_failed")
    assert (refused.status_code, refused.json()["code"]) == (409, "lost-lease")
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "running"


@pytest.mark.attack("leases: stale writes", "workers: stolen tokens")
async def test_another_worker_can_not_finish_it(coordinator: RunningCoordinator) -> None:
    owner, thief = await coordinator.worker(), await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await owner.claim()
    assert (await thief.finish(grant, reason="agent_failed")).json()["code"] == "lost-lease"
    assert (await thief.log(grant, b"forged\n")).json()["code"] == "lost-lease"


async def test_a_phase_out_of_order_is_refused_and_a_repeated_one_is_not(
    coordinator: RunningCoordinator,
) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "prepare", "implement")
    body = f'{{"fence": {grant.fence}, "phase": "publish"}}'.encode()
    refused = await worker.post(f"/executions/{grant.execution_id}/phase", body)
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal-transition")
    assert "verify" in refused.json()["details"]["allowed"]


async def test_success_needs_all_phases(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    refused = await worker.finish(grant, change=change_of(grant))
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal-transition")


async def test_a_failed_try_waits_and_is_tried_again(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    retry = {"max_tries": 2, "backoff_seconds": 1000}
    task = await coordinator.task(await coordinator.project(retry=retry))
    await worker.finish(await worker.claim(), reason="agent_failed", message="Exit 1.")
    held = await coordinator.get(f"/tasks/{task['id']}")
    assert (held["state"], held["pending_reason"], held["tries"]) == ("pending", "backoff", 1)
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(text("UPDATE tasks SET not_before = now()"))
    await worker.finish(await worker.claim(wait=5), reason="agent_failed", message="Exit 1.")
    failed = await coordinator.get(f"/tasks/{task['id']}")
    assert (failed["state"], failed["reason"], failed["message"]) == ("failed", "agent_failed", "Exit 1.")


async def test_an_interrupted_try_is_not_counted(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    await worker.finish(await worker.claim(), reason="interrupted")
    assert (await worker.claim(wait=5)).task.id == task["id"]
    assert (await coordinator.get(f"/tasks/{task['id']}"))["tries"] == 0


async def test_what_a_hostile_agent_prints_is_kept_without_nul(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    ended = await worker.finish(
        await worker.claim(), reason="no_change", message="a\x00b", facts={"x": ["\x00"]}
    )
    assert ended.status_code == 200
    assert (await coordinator.get(f"/tasks/{task['id']}"))["message"] == "a\ufffdb"


async def test_cancelling_a_queued_task_takes_effect_at_once(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    task = await coordinator.task(project_id)
    cancelled = await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    assert cancelled["state"] == "cancelled"
    assert (await coordinator.get(f"/projects/{project_id}"))["queued"] == 0
    again = await coordinator.post(f"/tasks/{task['id']}/retry", status=200)
    assert again["state"] == "queued"


async def test_cancelling_a_running_task_goes_by_way_of_its_worker(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project(retry={"max_tries": 3}))
    grant = await worker.claim()
    await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    assert (await worker.beat()).cancel == [grant.execution_id]
    await worker.finish(grant, reason="agent_failed")
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "cancelled"


async def test_a_silent_worker_loses_its_executions(database_url: str) -> None:
    async with running_coordinator(database_url, lease_seconds=0.5) as coordinator:
        silent = await coordinator.worker()
        task = await coordinator.task(await coordinator.project())
        grant = await silent.claim()
        await coordinator.until_task(task["id"], "queued")
        assert (await silent.finish(grant, reason="no_change")).json()["code"] == "lost-lease"
        assert (await silent.beat(grant)).lost == [grant.execution_id]
        shown = (await coordinator.get(f"/tasks/{task['id']}/executions"))["items"][0]
        assert (shown["state"], shown["reason"]) == ("lost", "lease_expired")


async def test_an_execution_that_its_worker_forgot_goes_back(database_url: str) -> None:
    async with running_coordinator(database_url, lease_seconds=0.4) as coordinator:
        worker = await coordinator.worker()
        task = await coordinator.task(await coordinator.project())
        await worker.claim()
        worker.held.clear()
        state = "running"
        while state == "running":
            await worker.beat()
            state = (await coordinator.get(f"/tasks/{task['id']}"))["state"]
        assert state == "queued"


async def test_a_restart_gives_every_lease_its_full_length(database_url: str) -> None:
    async with running_coordinator(database_url, lease_seconds=0.2, caretaker_seconds=60) as first:
        worker = await first.worker()
        await first.task(await first.project())
        grant = await worker.claim()
        credential = worker.http.headers["authorization"].removeprefix("Bearer ")
    async with running_coordinator(database_url) as second:
        worker.http = second.client(credential)
        assert (await worker.beat(grant)).lost == []


@pytest.mark.attack("workers: stolen tokens")
async def test_revoking_a_worker_puts_its_work_back(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    task = await coordinator.task(await coordinator.project())
    await worker.claim()
    await coordinator.post(f"/workers/{worker.id}/revoke", status=200)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "queued"
    assert (await worker.post("/heartbeat", b"{}")).status_code == 401


async def test_a_wrong_summary_is_put_right(database_url: str) -> None:
    async with running_coordinator(database_url, drift_seconds=0.05) as coordinator:
        worker = await coordinator.worker()
        project_id = await coordinator.project()
        await coordinator.task(project_id)
        async with coordinator.served.services.database.transaction() as connection:
            wrong = {"project_id": project_id, "queued": 0, "running": 1, "active": False, "lane_ids": []}
            await connection.execute(named("drift_repair"), wrong)
        assert (await worker.poll(wait=10)).grants


async def test_a_database_address_is_used_as_it_is(coordinator: RunningCoordinator) -> None:
    settings = coordinator.served.services.settings
    async with running_database(settings) as url:
        assert settings.database_url is not None
        assert url == settings.database_url.get_secret_value()
