"""A draft is done: from here on it waits for nothing but what every task waits for."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.tasks.release import release_task
from pullyard.coordinator.tasks.transition import lock_task
from pullyard.lifecycle.task import TaskState
from pullyard.store.queries import named


async def ready_task(connection: AsyncConnection, tenant_id: str, task_id: str) -> None:
    """Repeatable. Raises Conflict where it waits for a task that will not complete."""
    task = await lock_task(connection, tenant_id, task_id)
    if not task.draft or task.state != TaskState.PENDING:
        return
    await connection.execute(named("task_ready"), {"id": task_id})
    await release_task(connection, task)
