"""Whose key an execution's worker is given, and who is given none."""

from typing import Any

import pytest

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
