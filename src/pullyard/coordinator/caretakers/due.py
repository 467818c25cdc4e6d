"""Tasks that were held until a time, after a failed try or by a schedule, become claimable."""

from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.log_fields import about_nothing
from pullyard.coordinator.tasks.transition import lock_task, move_task
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.task import TaskEvent, TaskState
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services


async def enqueue_due_tasks(services: "Services", due: list[list[str]]) -> bool:
    """Pairs of tenant and task; looks again under the lock, as somebody may have cancelled it."""
    changed = False
    for tenant_id, task_id in due:
        structlog.contextvars.bind_contextvars(task_id=task_id)
        with apart():
            changed |= await enqueue_due(services, tenant_id, task_id)
    about_nothing()
    return changed


async def enqueue_due(services: "Services", tenant_id: str, task_id: str) -> bool:
    async with services.database.transaction() as connection:
        task = await lock_task(connection, tenant_id, task_id)
        is_due = await connection.scalar(named("task_is_due"), {"id": task_id})
        moved = bool(task.state == TaskState.PENDING and is_due)
        if moved:
            await move_task(connection, task, TaskEvent.ENQUEUE)
            reached("due-before-commit")
    reached("due-after-commit")
    services.radar.mark(task.project_id)
    return moved
