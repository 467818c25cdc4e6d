"""Cancel a task: at once where nobody works on it, else by way of its worker."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.end import end_task
from pullyard.coordinator.tasks.transition import lock_task
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.task import TASK_TRANSITIONS, TaskEvent, TaskState
from pullyard.store.queries import named

_HELD_BY_WORKER = frozenset({TaskState.RUNNING, TaskState.WAITING})


async def cancel_task(connection: AsyncConnection, tenant_id: str, task_id: str) -> None:
    """Repeatable. A running task stays so until its worker has saved the work, or its lease is over."""
    task = await lock_task(connection, tenant_id, task_id)
    state = TaskState(task.state)
    if state is TaskState.CANCELLED:
        return
    step("task", TASK_TRANSITIONS, state, TaskEvent.CANCEL)
    if state not in _HELD_BY_WORKER:
        await end_task(
            connection, task, TaskEvent.CANCEL, reason=Reason.CANCELLED, message="Cancelled before it ran."
        )
        return
    asked = await connection.execute(named("execution_cancel"), {"task_id": task_id})
    if asked.rowcount:
        about = TaskNews(tenant_id, task.project_id, task_id, task.execution_id)
        await tell(connection, "task.cancel-requested", about, {"state": state})
