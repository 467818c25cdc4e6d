"""A task that nothing keeps back is queued; any other is pending, and says what it waits for."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.tasks.overlaps import check_overlaps
from pullyard.coordinator.tasks.transition import move_task
from pullyard.lifecycle.task import Holds, PendingReason, TaskEvent, TaskState, held_by
from pullyard.protocol.errors import Conflict
from pullyard.store.queries import named

# What is held for another reason, such as a wait after a failed try, stays held when nothing here keeps it.
_OURS = frozenset(
    {PendingReason.DRAFT, PendingReason.DEPENDENCY, PendingReason.SCHEDULED, PendingReason.OVERLAP}
)


async def release_task(connection: AsyncConnection, task: Any) -> None:
    """``task`` is a pending or queued row, read under its project's lock. Repeatable.

    Its start is compared with the database's clock alone. Raises Conflict for a task that waits for one which
    will not complete.
    """
    facts = (await connection.execute(named("task_hold_facts"), {"id": task.id})).one()
    blocked = facts.watched and await check_overlaps(connection, task.tenant_id, task.project_id, task.id)
    reason = held_by(Holds(facts.draft, facts.open_dependencies, facts.starts_later, overlaps=blocked))
    if reason is PendingReason.DEPENDENCY and facts.ended_dependency is not None:
        raise Conflict(
            f"Task #{facts.ended_dependency}, which this one waits for, has ended without being completed: "
            "retry it first, or edit `depends_on`.",
            code="dependency-ended",
        )
    if reason is not None:
        await move_task(connection, task, TaskEvent.HOLD, pending=reason)
    elif task.state == TaskState.PENDING and task.pending_reason in _OURS:
        await move_task(connection, task, TaskEvent.ENQUEUE)
