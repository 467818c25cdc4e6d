"""Take a task from its worker and queue it again, or spare it the wait after a failed try."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.executions.requeue import requeue_execution
from pullyard.coordinator.tasks.transition import lock_task, move_task
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.task import TASK_TRANSITIONS, PendingReason, TaskEvent, TaskState


async def requeue_task(connection: AsyncConnection, tenant_id: str, task_id: str, message: str) -> None:
    """Repeatable: a queued task stays where it is.

    Raises IllegalTransition for one that has ended, or is held for another reason.
    """
    task = await lock_task(connection, tenant_id, task_id)
    if task.state == TaskState.QUEUED:
        return
    if task.state == TaskState.PENDING and task.pending_reason == PendingReason.BACKOFF:
        await move_task(connection, task, TaskEvent.ENQUEUE)
        return
    step("task", TASK_TRANSITIONS, TaskState(task.state), TaskEvent.REQUEUE)
    await requeue_execution(connection, tenant_id, task.execution_id, message)
