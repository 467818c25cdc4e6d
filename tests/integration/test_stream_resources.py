"""Events that bring what they are about with them, so that a hundred pages don't ask for it at once."""

from tests.coordinator import RunningCoordinator
from tests.live import begin, hear, listening, say, subscribe


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
