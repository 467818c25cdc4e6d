"""A request with an Idempotency-Key happens once, however often and wherever it is sent."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from pullyard.coordinator.idempotency.describe import takes_key
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.eventually import eventually
from tests.postgres import database_url, postgres_server

__all__ = ["database_url", "postgres_server"]

KEY = {"idempotency-key": "k1"}


async def send(
    coordinator: RunningCoordinator, path: str, body: Any = None, key: str = "k1", **headers: str
) -> httpx.Response:
    return await coordinator.http.post(
        "/api/v1" + path, json=body, headers={"idempotency-key": key, **headers}
    )


async def titles(coordinator: RunningCoordinator) -> list[str]:
    return [task["title"] for task in (await coordinator.get("/tasks?limit=200"))["items"]]


async def rows(coordinator: RunningCoordinator, table: str) -> int:
    async with coordinator.served.services.database.transaction() as connection:
        return await connection.scalar(text(f"SELECT count(*) FROM {table}"))


async def is_empty(coordinator: RunningCoordinator) -> bool:
    return await rows(coordinator, "idempotency_keys") == 0


async def unless_in_flight(coordinator: RunningCoordinator, path: str) -> httpx.Response | None:
    answer = await send(coordinator, path, {"title": "once"})
    return None if answer.status_code == 409 else answer


async def test_the_second_request_is_given_the_first_ones_answer(coordinator: RunningCoordinator) -> None:
    path = f"/projects/{await coordinator.project()}/tasks"
    first = await send(coordinator, path, {"title": "once"})
    again = await send(coordinator, path, {"title": "once"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    for name in ("location", "etag", "content-type", "content-length"):
        assert first.headers[name] == again.headers[name]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert await titles(coordinator) == ["once"]


@pytest.mark.attack("routes: another's idempotency key")
async def test_another_body_under_the_same_key_is_refused(coordinator: RunningCoordinator) -> None:
    path = f"/projects/{await coordinator.project()}/tasks"
    await send(coordinator, path, {"title": "once"})
    other = await send(coordinator, path, {"title": "twice"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert await titles(coordinator) == ["once"]


@pytest.mark.attack("routes: another's idempotency key")
async def test_a_key_is_of_one_address_one_member_and_one_tenant(coordinator: RunningCoordinator) -> None:
    paths = [f"/projects/{await coordinator.project()}/tasks" for _ in range(2)]
    for path in paths:
        assert (await send(coordinator, path, {"title": "x"})).status_code == 201
    assert (await send(coordinator, "/projects", {"name": "x", "repository": "/r.git"})).status_code == 201
    database = coordinator.served.services.database
    async with database.transaction() as connection:
        tenant = coordinator.served.services.owner.tenant_id
        member = "INSERT INTO members (id, tenant_id, name, role) VALUES ('mem_2', :tenant, 'two', 'member')"
        await connection.execute(text(member), {"tenant": tenant})
    token = await coordinator.post("/tokens", {"name": "two"})
    async with database.transaction() as connection:
        change = "UPDATE credentials SET member_id = 'mem_2' WHERE id = :id"
        await connection.execute(text(change), {"id": token["id"]})
    second = coordinator.client(token["secret"])
    answer = await second.post("/api/v1" + paths[0], json={"title": "y"}, headers=KEY)
    assert answer.status_code == 201
    assert sorted(await titles(coordinator)) == ["x", "x", "y"]


async def test_a_refusal_changes_nothing_and_leaves_the_key_free(coordinator: RunningCoordinator) -> None:
    task = await coordinator.task(await coordinator.project())
    path = f"/tasks/{task['id']}/retry"
    for _ in range(2):
        refused = await send(coordinator, path)
        assert (refused.status_code, refused.json()["code"]) == (409, "illegal-transition")
    assert await rows(coordinator, "idempotency_keys") == 0
    await coordinator.post(f"/tasks/{task['id']}/cancel", status=200)
    assert (await send(coordinator, path)).json()["state"] == "queued"
    assert await rows(coordinator, "idempotency_keys") == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb", "é".encode().decode("latin-1")])
async def test_what_is_no_key_is_told_so(coordinator: RunningCoordinator, key: str) -> None:
    body = {"name": "x", "repository": "/r.git"}
    refused = await coordinator.http.post(
        "/api/v1/projects", json=body, headers=[("idempotency-key", key.encode("latin-1"))]
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid-idempotency-key")
    assert await rows(coordinator, "projects") == 0


async def test_two_keys_at_once_are_refused(coordinator: RunningCoordinator) -> None:
    headers = [("idempotency-key", "a"), ("idempotency-key", "b")]
    body = {"name": "x", "repository": "/r.git"}
    refused = await coordinator.http.post("/api/v1/projects", json=body, headers=headers)
    assert refused.json()["code"] == "invalid-idempotency-key"


@pytest.mark.parametrize("path", ["/tokens", "/session", "/stream/ticket"])
async def test_an_answer_with_a_secret_is_never_kept(coordinator: RunningCoordinator, path: str) -> None:
    refused = await send(coordinator, path, {"name": "x", "link_token": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency-not-kept")
    assert await rows(coordinator, "idempotency_keys") == 0


async def test_a_key_may_be_used_anew_when_its_time_is_over(database_url: str) -> None:
    async with running_coordinator(database_url, idempotency_seconds=3600, drift_seconds=0.1) as coordinator:
        path = f"/projects/{await coordinator.project()}/tasks"
        await send(coordinator, path, {"title": "first"})
        async with coordinator.served.services.database.transaction() as connection:
            left = "SELECT extract(epoch FROM expires_at - now()) FROM idempotency_keys"
            assert 3500 < float(await connection.scalar(text(left))) <= 3600
            past = "UPDATE idempotency_keys SET expires_at = now() - interval '1 s'"
            await connection.execute(text(past))
        assert (await send(coordinator, path, {"title": "second"})).status_code == 201
        async with coordinator.served.services.database.transaction() as connection:
            await connection.execute(text(past))
        await eventually(lambda: is_empty(coordinator))
        assert sorted(await titles(coordinator)) == ["first", "second"]


async def test_of_many_at_once_one_acts(coordinator: RunningCoordinator) -> None:
    path = f"/projects/{await coordinator.project()}/tasks"
    answers = await asyncio.gather(*(send(coordinator, path, {"title": "once"}) for _ in range(20)))
    assert await titles(coordinator) == ["once"]
    assert {answer.status_code for answer in answers} <= {201, 409}
    busy = [answer.json()["code"] for answer in answers if answer.status_code == 409]
    assert set(busy) <= {"idempotency-in-flight"}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


async def test_while_the_first_is_in_flight_the_second_is_told_so(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    path = f"/projects/{project_id}/tasks"
    async with coordinator.served.services.database.transaction() as connection:
        held = "SELECT 1 FROM project_queue WHERE project_id = :id FOR UPDATE"
        await connection.execute(text(held), {"id": project_id})
        first = asyncio.create_task(send(coordinator, path, {"title": "once"}))
        await eventually(lambda: connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
        second = await send(coordinator, path, {"title": "once"})
        assert (second.status_code, second.json()["code"]) == (409, "idempotency-in-flight")
        assert not first.done()
    assert (await first).status_code == 201
    assert (await send(coordinator, path, {"title": "once"})).content == (await first).content


async def test_two_replicas_share_their_keys(database_url: str) -> None:
    async with running_coordinator(database_url) as one, running_coordinator(database_url) as two:
        path = f"/projects/{await one.project()}/tasks"
        for number in range(10):
            calls = [send(replica, path, {"title": "x"}, key=f"k{number}") for replica in (one, two) * 3]
            answers = await asyncio.gather(*calls)
            assert {answer.status_code for answer in answers} <= {201, 409}
            assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
        assert len(await titles(one)) == 10


async def test_a_caller_that_hangs_up_finds_what_it_did(coordinator: RunningCoordinator) -> None:
    """As after a process that died between commit and answer: the next one is given what was kept."""
    project_id = await coordinator.project()
    path = f"/projects/{project_id}/tasks"
    async with coordinator.served.services.database.transaction() as connection:
        held = "SELECT 1 FROM project_queue WHERE project_id = :id FOR UPDATE"
        await connection.execute(text(held), {"id": project_id})
        gives_up: dict[str, Any] = {"headers": KEY, "timeout": httpx.Timeout(30, read=0.5)}
        with pytest.raises(httpx.ReadTimeout):
            await coordinator.http.post("/api/v1" + path, json={"title": "once"}, **gives_up)
    answer = await eventually(lambda: unless_in_flight(coordinator, path))
    assert answer.headers["idempotency-replayed"] == "true"
    assert await titles(coordinator) == ["once"]


async def test_effect_and_key_are_one_transaction(coordinator: RunningCoordinator) -> None:
    """The last write of the transaction fails: nothing of the request may be left, and no news of it."""
    path = f"/projects/{await coordinator.project()}/tasks"
    database = coordinator.served.services.database
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE idempotency_keys ADD CHECK (status <> 201)"))
    failed = await send(coordinator, path, {"title": "once"})
    assert failed.status_code == 500
    assert await titles(coordinator) == []
    async with database.transaction() as connection:
        await connection.execute(
            text("ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_status_check1")
        )
    assert (await send(coordinator, path, {"title": "once"})).status_code == 201
    assert await titles(coordinator) == ["once"]


async def test_a_worker_is_told_of_a_task_under_a_key(coordinator: RunningCoordinator) -> None:
    worker = await coordinator.worker()
    path = f"/projects/{await coordinator.project()}/tasks"
    waiting = asyncio.create_task(worker.poll(wait=20))
    await send(coordinator, path, {"title": "once"})
    assert [grant.task.title for grant in (await waiting).grants] == ["once"]


async def test_every_change_takes_a_key_or_says_why_not(coordinator: RunningCoordinator) -> None:
    """Each route of the schema is asked with a key that can't be one, so that none can ignore it."""
    document = await coordinator.get("/openapi.json")
    asked = [
        (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in ("post", "put", "patch", "delete")
    ]
    assert len(asked) > 10
    for method, path, operation in asked:
        named = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("Idempotency-Key" in named) == takes_key(method, path)
        address = path.replace("{", "").replace("}", "")
        refused = await coordinator.http.request(method, address, headers={"idempotency-key": "x" * 201})
        code = "invalid-idempotency-key" if takes_key(method, path) else "idempotency-not-kept"
        assert (refused.status_code, refused.json()["code"]) == (422, code), path
