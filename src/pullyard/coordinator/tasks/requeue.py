"""Take a task from its worker and queue it again, or spare it a wait that a person thinks needless."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.executions.requeue import requeue_execution
from pullyard.coordinator.tasks.transition import lock_task, move_task
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.task import TASK_TRANSITIONS, PendingReason, TaskEvent, TaskState
from pullyard.store.queries import named

_SPARED = frozenset({PendingReason.BACKOFF, PendingReason.OVERLAP})


async def requeue_task(connection: AsyncConnection, tenant_id: str, task_id: str, message: str) -> None:
    """Repeatable: a queued task stays where it is.

    Raises IllegalTransition for one that has ended, or is held for another reason.
    """
    task = await lock_task(connection, tenant_id, task_id)
    if task.state == TaskState.QUEUED:
        return
    if task.state == TaskState.PENDING and task.pending_reason in _SPARED:
        if task.pending_reason == PendingReason.OVERLAP:
            await connection.execute(named("overlap_allow"), {"id": task_id})
        await move_task(connection, task, TaskEvent.ENQUEUE)
        return
    step("task", TASK_TRANSITIONS, TaskState(task.state), TaskEvent.REQUEUE)
    await requeue_execution(connection, tenant_id, task.execution_id, message)
