"""What may be spent in a day: for a project, and for all projects of a tenant together."""

import pytest
from sqlalchemy import text

from pullyard.protocol.worker import Usage
from tests.coordinator import RunningCoordinator, WireWorker

DOLLAR = 1_000_000
LOOK_SECONDS = 0.3


async def spend(worker: WireWorker, micros: int) -> None:
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    usage = Usage(input_tokens=1, output_tokens=1, cost_micros=micros)
    assert (await worker.finish(grant, usage=usage)).status_code == 200


async def grants_now(worker: WireWorker) -> int:
    """Long enough for a claim to begin and end: one that comes after would be for a poll that is gone."""
    return len((await worker.poll(slots=1, wait=LOOK_SECONDS)).grants)


async def yesterday(coordinator: RunningCoordinator) -> None:
    """What was spent today was spent a day ago."""
    async with coordinator.served.services.database.transaction() as connection:
        await connection.execute(text("UPDATE spending SET day = day - 1"))
        await connection.execute(text("UPDATE budgets SET period_start = period_start - 1"))
        for table in ("project_queue", "tenants"):
            await connection.execute(text(f"UPDATE {table} SET spent_until = spent_until - interval '1 day'"))


async def test_a_project_whose_day_is_spent_waits_for_the_next(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(daily_budget_micros=2 * DOLLAR)
    worker = await coordinator.worker()
    for _ in range(3):
        task = await coordinator.task(project)
    await spend(worker, DOLLAR)
    await spend(worker, DOLLAR)
    assert (await coordinator.get(f"/projects/{project}"))["spent_today_micros"] == 2 * DOLLAR
    assert (await coordinator.get(f"/tasks/{task['id']}"))["pending_reason"] == "budget"
    assert await grants_now(worker) == 0
    await yesterday(coordinator)
    assert (await coordinator.get(f"/tasks/{task['id']}"))["pending_reason"] is None
    await spend(worker, DOLLAR)
    assert (await coordinator.get(f"/projects/{project}"))["spent_today_micros"] == DOLLAR


@pytest.mark.parametrize("more", [2 * DOLLAR, None])
async def test_a_raised_budget_takes_effect_at_once(
    coordinator: RunningCoordinator, more: int | None
) -> None:
    project = await coordinator.project(daily_budget_micros=DOLLAR)
    worker = await coordinator.worker()
    await coordinator.task(project)
    await coordinator.task(project)
    await spend(worker, DOLLAR)
    assert await grants_now(worker) == 0
    patched = await coordinator.http.patch(f"/api/v1/projects/{project}", json={"daily_budget_micros": more})
    assert patched.json()["daily_budget_micros"] == more
    await spend(worker, 1)


async def test_a_tenants_budget_is_for_all_its_projects(coordinator: RunningCoordinator) -> None:
    patched = await coordinator.http.patch("/api/v1/tenant", json={"daily_budget_micros": DOLLAR})
    assert patched.status_code == 200, patched.text
    worker = await coordinator.worker()
    for _ in range(2):
        await coordinator.task(await coordinator.project())
    last = await coordinator.task(await coordinator.project())
    await spend(worker, DOLLAR // 2)
    await spend(worker, DOLLAR // 2)
    assert (await coordinator.get("/tenant"))["spent_today_micros"] == DOLLAR
    assert await grants_now(worker) == 0
    assert (await coordinator.get(f"/tasks/{last['id']}"))["pending_reason"] == "budget"
    await yesterday(coordinator)
    await spend(worker, 1)


@pytest.mark.parametrize("amount", [0, -1, 10**16, 1.5, "much"])
async def test_a_budget_that_is_none_is_refused(coordinator: RunningCoordinator, amount: object) -> None:
    for path in ("/tenant", f"/projects/{await coordinator.project()}"):
        answer = await coordinator.http.patch("/api/v1" + path, json={"daily_budget_micros": amount})
        assert answer.status_code == 422, path
