"""How much may run at once: for a tenant, for a member and at a worker, whatever is asked for at once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.coordinator.executions.dispatcher import Dispatcher, Waiter
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.worker import Grant
from tests.coordinator import RunningCoordinator, running_coordinator

PATIENCE_SECONDS = 60
ADD_MEMBER = "INSERT INTO members (id, tenant_id, name, role) VALUES (:id, :tenant, 'second', 'member')"


async def member_token(coordinator: RunningCoordinator) -> tuple[str, str]:
    """Another member of the owner's tenant, who is no owner: the id and an API token."""
    services, member_id = coordinator.served.services, new_id(Kind.MEMBER)
    tenant_id = services.owner.tenant_id
    async with services.database.transaction() as connection:
        await connection.execute(text(ADD_MEMBER), {"id": member_id, "tenant": tenant_id})
        issued = await issue(
            connection, CredentialKind.API, tenant_id=tenant_id, member_id=member_id, seconds=None
        )
    return member_id, issued.secret


async def limit(coordinator: RunningCoordinator, path: str, value: Any) -> dict[str, Any]:
    answer = await coordinator.http.patch("/api/v1" + path, json={"max_running": value})
    assert answer.status_code == 200, answer.text
    assert answer.json()["max_running"] == value
    return answer.json()


async def test_a_tenants_limit_holds_in_one_claim_and_over_many(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=100) as coordinator:
        await limit(coordinator, "/tenant", 2)
        for _ in range(4):
            await coordinator.task(await coordinator.project())
        worker = await coordinator.worker(slots=4)
        grants = (await worker.poll(slots=4, wait=5)).grants
        assert len(grants) == 2
        assert not (await worker.poll(slots=2)).grants
        assert (await coordinator.get("/tenant"))["running"] == 2
        await limit(coordinator, "/tenant", 3)
        assert len((await worker.poll(slots=2, wait=5)).grants) == 1
        await limit(coordinator, "/tenant", None)
        assert len((await worker.poll(slots=1, wait=5)).grants) == 1


async def test_a_member_at_the_limit_stands_in_nobodys_way(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=100) as coordinator:
        _, token = await member_token(coordinator)
        owner = coordinator.served.services.owner.member_id
        await limit(coordinator, f"/members/{owner}", 1)
        first, second = [await coordinator.project(max_running=5) for _ in range(2)]
        for project_id in (first, first, second):
            await coordinator.task(project_id, priority=1)
        theirs = await coordinator.client(token).post(
            f"/api/v1/projects/{first}/tasks", json={"title": "behind"}
        )
        worker = await coordinator.worker(slots=4)
        grants = (await worker.poll(slots=4, wait=5)).grants
        while len(grants) < 2:
            grants += (await worker.poll(slots=4, wait=5)).grants
        assert theirs.json()["id"] in {grant.task.id for grant in grants}
        assert not (await worker.poll(slots=4)).grants
        running = {one["id"]: one["running"] for one in (await coordinator.get("/members"))["items"]}
        assert running[owner] == 1
        await limit(coordinator, f"/members/{owner}", None)
        assert len((await worker.poll(slots=4, wait=5)).grants) == 2


@pytest.mark.parametrize("value", [0, -1, 100_001, 10**30, 1.5, "many", True, [], "\x00"])
@pytest.mark.parametrize("path", ["/tenant", "/members/{id}"])
async def test_a_limit_that_makes_no_sense_is_refused(
    coordinator: RunningCoordinator, path: str, value: Any
) -> None:
    address = "/api/v1" + path.format(id=coordinator.served.services.owner.member_id)
    answer = await coordinator.http.patch(address, json={"max_running": value})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert "max_running" in answer.json()["detail"]


async def test_only_an_owner_changes_limits(coordinator: RunningCoordinator) -> None:
    member_id, token = await member_token(coordinator)
    client = coordinator.client(token)
    for path in ("/api/v1/tenant", f"/api/v1/members/{member_id}"):
        refused = await client.patch(path, json={"max_running": 1000})
        assert (refused.status_code, refused.json()["code"]) == (403, "owner-only")
    assert (await client.get("/api/v1/tenant")).json()["max_running"] is None


async def test_a_worker_never_holds_more_than_it_has_slots(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=100) as coordinator:
        project_id = await coordinator.project(max_running=20)
        for _ in range(6):
            await coordinator.task(project_id)
        worker = await coordinator.worker(slots=3)
        answers = await asyncio.gather(*(worker.poll(slots=3, wait=0.5) for _ in range(4)))
        assert sum(len(answer.grants) for answer in answers) == 3
        assert not (await worker.poll(slots=3)).grants


async def test_two_polls_of_a_worker_are_handed_different_grants(database_url: str) -> None:
    async with running_coordinator(database_url, max_running=100) as coordinator:
        worker = await coordinator.worker(slots=4)
        project_id = await coordinator.project(max_running=20)
        polls = [asyncio.create_task(worker.poll(slots=1, wait=10)) for _ in range(2)]
        for _ in range(2):
            await coordinator.task(project_id)
        grants = [grant for answer in await asyncio.gather(*polls) for grant in answer.grants]
        assert len(grants) == len({grant.execution_id for grant in grants}) == 2


async def test_the_same_question_twice_at_once_is_given_one_answer(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker(slots=4)
    project_id = await coordinator.project(max_running=5)
    polls = [asyncio.create_task(worker.poll(slots=1, wait=25, request_id="same")) for _ in range(2)]
    done, _ = await asyncio.wait(polls, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert [len((await one).grants) for one in done] == [0]
    for _ in range(2):
        await coordinator.task(project_id)
    assert sorted([len((await one).grants) for one in polls]) == [0, 1]


async def a_claim(dispatcher: Dispatcher) -> None:
    """Until one that begins from here on is over, whatever it gives."""
    told, over = dispatcher.on_claim, asyncio.Event()

    def hear(seconds: float, grants: list[Grant]) -> None:
        told(seconds, grants)
        over.set()

    dispatcher.on_claim = hear
    dispatcher.wake()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await over.wait()
    dispatcher.on_claim = told


async def test_a_drain_reaches_a_poll_that_waits(coordinator: RunningCoordinator) -> None:
    services, worker = coordinator.served.services, await coordinator.worker()
    waiter = Waiter(services.owner.tenant_id, worker.id, "before-the-drain", slots=1)
    async with services.dispatcher.waiting(waiter) as answer:
        await coordinator.post(f"/workers/{worker.id}/drain", status=200)
        await coordinator.task(await coordinator.project())
        await a_claim(services.dispatcher)
        assert not answer.done()
        await coordinator.post(f"/workers/{worker.id}/resume", status=200)
        services.dispatcher.wake()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert len((await answer).grants) == 1
