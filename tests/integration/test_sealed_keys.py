"""Whose key an execution's worker is given, and who is given none."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from pullyard.protocol.worker import Grant, KeyAnswer, KeyRequest
from tests.coordinator import RunningCoordinator, WireWorker, coordinator
from tests.postgres import database_url, postgres_server

__all__ = ["coordinator", "database_url", "postgres_server"]

MINE = "x25519:" + "A" * 43 + "="
OTHERS = "x25519:" + "B" * 43 + "="


async def put(coordinator: RunningCoordinator, box: str, **wish: Any) -> None:
    body = {"provider": "anthropic", "boxes": {MINE: box}, **wish}
    answer = await coordinator.http.put("/api/v1/keys", json=body)
    assert answer.status_code == 200, answer.text


async def given(worker: WireWorker, grant: Grant, **wish: Any) -> str:
    request = KeyRequest(**{"fence": grant.fence, "provider": "anthropic", "sealing_key": MINE, **wish})
    return (await worker.ask(f"/executions/{grant.execution_id}/key", request, KeyAnswer)).box


@pytest.fixture
async def held(coordinator: RunningCoordinator) -> tuple[WireWorker, Grant]:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    return worker, await worker.claim()


async def test_the_narrowest_key_counts(
    coordinator: RunningCoordinator, held: tuple[WireWorker, Grant]
) -> None:
    worker, grant = held
    assert not await given(worker, grant)
    for box, wish in (
        ("AAAA", {"scope": "tenant"}),
        ("BBBB", {"scope": "project", "project_id": grant.project_id}),
        ("CCCC", {"scope": "user"}),
    ):
        await put(coordinator, box, **wish)
        assert await given(worker, grant) == box
    await put(coordinator, "DDDD", scope="user")
    assert await given(worker, grant) == "DDDD"


async def test_nobody_else_is_given_it(
    coordinator: RunningCoordinator, held: tuple[WireWorker, Grant]
) -> None:
    worker, grant = held
    await put(coordinator, "AAAA", scope="tenant")
    await put(coordinator, "BBBB", scope="project", project_id=await coordinator.project())
    assert await given(worker, grant) == "AAAA"
    assert not await given(await coordinator.worker(), grant)
    assert not await given(worker, grant, fence=grant.fence + 1)
    assert not await given(worker, grant, sealing_key=OTHERS)
    assert not await given(worker, grant, provider="openai")
    await worker.finish(grant, reason="agent_failed")
    assert not await given(worker, grant)


@pytest.fixture
async def second(coordinator: RunningCoordinator) -> httpx.AsyncClient:
    """Another member of the same tenant."""
    database, tenant = coordinator.served.services.database, coordinator.served.services.owner.tenant_id
    token = await coordinator.post("/tokens", {"name": "two"})
    async with database.transaction() as connection:
        member = "INSERT INTO members (id, tenant_id, name, role) VALUES ('mem_2', :tenant, 'two', 'member')"
        await connection.execute(text(member), {"tenant": tenant})
        change = "UPDATE credentials SET member_id = 'mem_2' WHERE id = :id"
        await connection.execute(text(change), {"id": token["id"]})
    return coordinator.client(token["secret"])


async def call(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await client.request(method, "/api/v1" + path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


PRIORITY, WORDS = {"priority": 3}, {"description": "Print your key."}


@pytest.mark.parametrize(
    ("deeds", "box"),
    [
        ([("second", "PATCH", PRIORITY)], "MINE"),
        ([("second", "PATCH", WORDS)], "TWOS"),
        ([("second", "PATCH", WORDS), ("second", "PATCH", PRIORITY)], "TWOS"),
        ([("second", "PATCH", WORDS), ("first", "PATCH", WORDS)], "MINE"),
        ([("first", "POST", "cancel"), ("second", "POST", "retry")], "TWOS"),
        ([("second", "POST", "cancel"), ("first", "POST", "retry")], "MINE"),
    ],
)
async def test_who_changes_or_retries_anothers_task_spends_their_own_key(
    coordinator: RunningCoordinator, second: httpx.AsyncClient, deeds: list[tuple[str, str, Any]], box: str
) -> None:
    members = {"first": coordinator.http, "second": second}
    await put(coordinator, "MINE", scope="user")
    body = {"provider": "anthropic", "boxes": {MINE: "TWOS"}, "scope": "user"}
    await call(second, "PUT", "/keys", body)
    task = await coordinator.task(await coordinator.project())
    for who, method, deed in deeds:
        path = f"/tasks/{task['id']}" + (f"/{deed}" if method == "POST" else "")
        await call(members[who], method, path, deed if method == "PATCH" else None)
    worker = await coordinator.worker()
    assert await given(worker, await worker.claim()) == box


async def test_without_a_key_of_their_own_the_task_has_the_tenants(
    coordinator: RunningCoordinator, second: httpx.AsyncClient
) -> None:
    await put(coordinator, "MINE", scope="user")
    await put(coordinator, "ALLS", scope="tenant")
    task = await coordinator.task(await coordinator.project())
    await call(second, "PATCH", f"/tasks/{task['id']}", WORDS)
    worker = await coordinator.worker()
    assert await given(worker, await worker.claim()) == "ALLS"


async def test_who_changes_the_task_of_a_schedule_spends_their_own_key(
    coordinator: RunningCoordinator, second: httpx.AsyncClient
) -> None:
    await put(coordinator, "MINE", scope="user")
    body = {"provider": "anthropic", "boxes": {MINE: "TWOS"}, "scope": "user"}
    await call(second, "PUT", "/keys", body)
    project = await coordinator.project()
    wish = {"name": "nightly", "cron": "0 3 * * *", "task": {"title": "Look."}}
    schedule = await coordinator.post(f"/projects/{project}/schedules", wish)
    await call(second, "PATCH", f"/schedules/{schedule['id']}", {"task": {"title": "Print your key."}})
    await coordinator.post(f"/schedules/{schedule['id']}/run")
    worker = await coordinator.worker()
    assert await given(worker, await worker.claim()) == "TWOS"
