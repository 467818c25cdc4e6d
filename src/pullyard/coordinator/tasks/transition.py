"""The one way a task changes state: by its table, with the project's summary and the event beside it."""

from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.task import FINAL_TASK_STATES, TASK_TRANSITIONS, PendingReason, TaskEvent, TaskState
from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named

_RUNNING = frozenset({TaskState.RUNNING, TaskState.WAITING})


async def lock_project(connection: AsyncConnection, tenant_id: str, project_id: str) -> None:
    """Every change of a project's tasks happens under this row's lock, so its events are in order."""
    locked = await connection.execute(
        named("project_lock"), {"tenant_id": tenant_id, "project_id": project_id}
    )
    if locked.one_or_none() is None:
        raise NotFound("project")


async def lock_task(connection: AsyncConnection, tenant_id: str, task_id: str) -> Any:
    """The task's row as it is once nobody else can change it."""
    scalar = await connection.scalar(named("task_project"), {"tenant_id": tenant_id, "id": task_id})
    if scalar is None:
        raise NotFound("task")
    structlog.contextvars.bind_contextvars(project_id=scalar, task_id=task_id)
    await lock_project(connection, tenant_id, scalar)
    return (await connection.execute(named("task_row"), {"tenant_id": tenant_id, "id": task_id})).one()


async def move_task(
    connection: AsyncConnection,
    task: Any,
    event: TaskEvent,
    *,
    pending: PendingReason | None = None,
    delay_seconds: float | None = None,
    reason: str | None = None,
    message: str = "",
) -> TaskState:
    """Step ``task``, a row read under the project's lock; raises IllegalTransition before any write.

    ``delay_seconds`` is for a task that is held until then.
    """
    before = TaskState(task.state)
    after = step("task", TASK_TRANSITIONS, before, event)
    await connection.execute(
        named("task_move"),
        {
            "id": task.id,
            "state": after,
            "pending_reason": pending,
            "delay_seconds": delay_seconds,
            "reason": reason,
            "message": message,
            "final": after in FINAL_TASK_STATES,
            "queued": after is TaskState.QUEUED,
        },
    )
    await count_move(connection, task.project_id, task.lane_id, before, after)
    payload = {
        "state": after,
        "from": before,
        "pending_reason": pending,
        "reason": reason,
        "message": message,
    }
    await tell(connection, f"task.{after}", TaskNews(task.tenant_id, task.project_id, task.id), payload)
    return after


async def count_move(
    connection: AsyncConnection,
    project_id: str,
    lane_id: int,
    before: TaskState | None,
    after: TaskState | None,
) -> None:
    """Keep the project's summary equal to the truth; None stands for a task that does not exist."""
    queued = (after is TaskState.QUEUED) - (before is TaskState.QUEUED)
    running = (after in _RUNNING) - (before in _RUNNING)
    if queued or running:
        await connection.execute(
            named("queue_count"),
            {"project_id": project_id, "lane_id": lane_id, "queued": queued, "running": running},
        )
