"""Remove a task of which nothing would be lost."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.transition import count_move, lock_task
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.errors import Conflict
from pullyard.store.queries import named


async def remove_task(connection: AsyncConnection, tenant_id: str, task_id: str) -> None:
    """Raises Conflict where it ran or is waited for: what was done is kept."""
    task = await lock_task(connection, tenant_id, task_id)
    removed = await connection.execute(named("task_remove"), {"id": task_id})
    if removed.rowcount == 0:
        raise Conflict(
            "A task that ran, is waited for or is compared with others is kept; cancel it instead.",
            code="task-needed",
        )
    await count_move(connection, task.project_id, task.lane_id, TaskState(task.state), None)
    await tell(connection, "task.removed", TaskNews(tenant_id, task.project_id, task_id), {})
