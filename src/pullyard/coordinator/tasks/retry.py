"""Try a failed or cancelled task again, from the start or from the work that was saved."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.tasks.overlaps import check_overlaps
from pullyard.coordinator.tasks.transition import lock_task, move_task
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.task import TASK_TRANSITIONS, PendingReason, TaskEvent, TaskState
from pullyard.protocol.errors import Conflict
from pullyard.store.queries import named


async def retry_task(
    connection: AsyncConnection, tenant_id: str, task_id: str, *, resume: bool, member_id: str | None
) -> None:
    """Its tries are counted from zero again, and of members' own keys only ``member_id``'s is spent on it.

    Raises Conflict where there is nothing to resume from.
    """
    task = await lock_task(connection, tenant_id, task_id)
    step("task", TASK_TRANSITIONS, TaskState(task.state), TaskEvent.RETRY)
    if task.comparison_id is not None and not task.undecided:
        raise Conflict(
            "Its comparison is decided: make a new task instead.",
            code="comparison-decided",
            details={"comparison_id": task.comparison_id},
        )
    row = (await connection.execute(named("task_retry_facts"), {"id": task_id})).one()
    if row.open_dependencies:
        raise Conflict(
            "It waits for a task that is not completed; retry that one first.", code="dependency-open"
        )
    resume_from = saved_by(row) if resume else None
    wish = {"id": task_id, "resume_from": resume_from, "member_id": member_id}
    await connection.execute(named("task_retry"), wish)
    await move_task(connection, task, TaskEvent.RETRY)
    if row.watched and await check_overlaps(connection, tenant_id, task.project_id, task_id):
        task = await lock_task(connection, tenant_id, task_id)
        await move_task(connection, task, TaskEvent.HOLD, pending=PendingReason.OVERLAP)


def saved_by(row: Any) -> str:
    """The execution whose unfinished work is still there. Raises Conflict."""
    if row.salvaged_execution is None:
        raise Conflict("No unfinished work was saved; retry without resume.", code="nothing-to-resume")
    if row.salvage_dropped:
        raise Conflict(
            "Its unfinished work was dropped on the worker that had saved it; retry without resume.",
            code="salvage-dropped",
        )
    return row.salvaged_execution
