"""Whether it lives, whether it can work and how much there is to do: for balancers, clusters and scalers."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import pytest

from pullyard.store.urls import for_sqlalchemy
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.eventually import eventually


async def execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def until_ready_says(coordinator: RunningCoordinator, words: str) -> list[str]:
    """Waits for a 503 with ``words`` in a reason; the reasons."""
    client = coordinator.client()
    async with asyncio.timeout(60):
        while True:
            answer = await client.get("/readyz")
            reasons = answer.json().get("details", {}).get("reasons", [])
            if any(words in reason for reason in reasons):
                assert answer.status_code == 503
                assert answer.json()["code"] == "not-ready"
                return reasons
            await asyncio.sleep(0.05)


async def test_a_fresh_coordinator_is_up_and_ready(coordinator: RunningCoordinator) -> None:
    anybody = coordinator.client()
    for path in ("/healthz", "/readyz"):
        answer = await anybody.get(path)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})


async def test_a_newer_schema_takes_it_out_of_service_and_leaves_it_alive(
    coordinator: RunningCoordinator, database_url: str
) -> None:
    await execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert "9999" in (await until_ready_says(coordinator, "schema"))[0]
    assert (await coordinator.http.get("/healthz")).status_code == 200


async def test_a_database_without_connections_is_told_and_comes_back(
    coordinator: RunningCoordinator, database_url: str, postgres_server: str
) -> None:
    name = for_sqlalchemy(database_url).database
    await execute(postgres_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        await execute(
            postgres_server,
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        reasons = await until_ready_says(coordinator, "database")
        assert any("bus" in reason for reason in reasons) or await until_ready_says(coordinator, "bus")
    finally:
        await execute(postgres_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")

    async def ready() -> bool:
        return (await coordinator.http.get("/readyz")).status_code == 200

    assert await eventually(ready)


async def test_a_database_that_is_overrun_is_no_fault_of_ours(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_coordinator(database_url, database_connections=2) as coordinator:
        database = coordinator.served.services.database
        async with AsyncExitStack() as held:
            for _ in range(2):
                await held.enter_async_context(database.transaction())
            # Not before: the coordinator's own work has them for a moment too.
            monkeypatch.setattr(database.engine.sync_engine.pool, "_timeout", 0.2)
            answer = await coordinator.http.get("/api/v1/projects")
        assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")


async def test_a_background_loop_that_ended_is_told(coordinator: RunningCoordinator) -> None:
    loop = coordinator.served.services.loops[0]
    loop.cancel()
    assert f"'{loop.get_name()}'" in (await until_ready_says(coordinator, "loop"))[0]


async def test_the_queue_tells_a_scaler_how_many_slots_would_help(database_url: str) -> None:
    async with running_coordinator(database_url) as coordinator:
        worker = await coordinator.worker(slots=1)
        plain = await coordinator.project()
        wide = await coordinator.project(labels=["gpu=nvidia"], max_running=2)
        for project in (plain, plain, wide, wide, wide):
            await coordinator.task(project)
        await worker.claim()
        state = await coordinator.get("/queue")
        lanes = state.pop("lanes")
        assert state == {"queued": 4, "claimable": 2, "running": 1, "wanted": 3}
        assert [lane["queued"] for lane in lanes] == [3, 1]
        assert "gpu=nvidia" in lanes[0]["labels"]


@pytest.mark.parametrize("path", ["/api/v1/queue", "/metrics"])
async def test_a_stranger_learns_nothing(coordinator: RunningCoordinator, path: str) -> None:
    assert (await coordinator.client().get(path)).status_code == 401
