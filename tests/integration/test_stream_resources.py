"""Events that bring what they are about with them, so that a hundred pages don't ask for it at once."""

import asyncpg
import pytest

from tests.coordinator import RunningCoordinator
from tests.live import begin, hear, listening, say, subscribe
from tests.postgres import execute


async def test_events_bring_their_task_and_execution_as_they_are_now(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    task_id = grant.task.id
    async with listening(coordinator) as socket:
        # One that stands before the other, and must not keep it from its wish.
        await subscribe(socket, "subscribe-events", id="bare")
        await subscribe(socket, "subscribe-events", id="whole", resources=True)
        await worker.walk(grant, "prepare")
        both = {one["subscription"]: one for one in [await hear(socket), await hear(socket)]}
        assert {"task", "execution"}.isdisjoint(both["bare"])
        assert both["whole"]["task"] == await coordinator.get(f"/tasks/{task_id}")
        assert both["whole"]["execution"] == await coordinator.get(f"/executions/{grant.execution_id}")
        assert both["whole"]["execution"]["state"] == "preparing"
        await say(socket, "unsubscribe", id="bare")

        # Whoever shows a long text reads it.
        long = await coordinator.task(grant.project_id, description="x" * 10_000)
        told = await hear(socket)
        assert (told["task_id"], "task" in told) == (long["id"], False)


async def test_what_can_t_be_read_holds_no_event_up(
    coordinator: RunningCoordinator, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    worker, grant = await begin(coordinator)
    await execute(database_url, "UPDATE tasks SET reason = 'of-a-newer-release'")
    async with listening(coordinator) as socket:
        other = await coordinator.project()
        await subscribe(socket, "subscribe-events", id="other", project_id=other, resources=True)
        await subscribe(socket, "subscribe-events", id="bare", task_id=grant.task.id)
        await worker.walk(grant, "prepare")
        assert (await hear(socket))["execution_id"] == grant.execution_id
        assert "resources not read" not in capsys.readouterr().out, "nobody asked for these"

        await say(socket, "unsubscribe", id="bare")
        await subscribe(socket, "subscribe-events", id="whole", resources=True)
        await worker.walk(grant, "implement")
        told = await hear(socket)
        assert (told["execution_id"], "task" in told) == (grant.execution_id, False)
        assert "resources not read" in capsys.readouterr().out


async def test_what_is_not_read_soon_is_not_waited_for(
    coordinator: RunningCoordinator, database_url: str
) -> None:
    project_id = await coordinator.project()
    holder = await asyncpg.connect(database_url)
    try:
        async with listening(coordinator) as socket, holder.transaction():
            await subscribe(socket, "subscribe-events", resources=True)
            await holder.execute("LOCK TABLE task_executions")
            task = await coordinator.task(project_id)
            told = await hear(socket)
            assert (told["task_id"], "execution" in told) == (task["id"], False)
    finally:
        await holder.close()


AGAIN = """
    INSERT INTO events (tenant_id, project_id, task_id, kind)
    SELECT tenant_id, project_id, id, 'task.updated' FROM tasks, generate_series(1, {}) WHERE title = 'Long'
"""


async def test_what_many_events_together_would_bring_is_left_out(
    coordinator: RunningCoordinator, database_url: str
) -> None:
    project_id = await coordinator.project()
    await coordinator.task(project_id, title="Long", description="x" * 6_000)
    async with listening(coordinator) as socket:
        await subscribe(socket, "subscribe-events", resources=True)
        for times, brought in ((60, False), (20, True)):
            await execute(database_url, AGAIN.format(times))
            # Its commit tells the coordinator that there are events.
            await coordinator.task(project_id)
            told = [await hear(socket) for _ in range(times + 1)]
            assert {"task" in one for one in told if one["kind"] == "task.updated"} == {brought}
