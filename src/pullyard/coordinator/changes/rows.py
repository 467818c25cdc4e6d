"""A change's row, alone or under its project's lock."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import Conflict, NotFound
from pullyard.store.queries import named


async def lock_change(connection: AsyncConnection, tenant_id: str, change_id: str) -> Any:
    """The change's row, read under its project's lock."""
    row = await read_change_row(connection, tenant_id, change_id)
    await lock_project(connection, tenant_id, row.project_id)
    return await read_change_row(connection, tenant_id, change_id)


async def read_change_row(connection: AsyncConnection, tenant_id: str, change_id: str) -> Any:
    row = (
        await connection.execute(named("change_row"), {"tenant_id": tenant_id, "id": change_id})
    ).one_or_none()
    if row is None:
        raise NotFound("change")
    return row


def check_open(change: Any) -> None:
    """Raises Conflict where it is merged or closed."""
    if change.state != ChangeState.OPEN:
        raise Conflict(
            f"This change is {change.state}: make a new task instead.",
            code="change-ended",
            details={"state": change.state},
        )


def about(change: Any) -> TaskNews:
    return TaskNews(change.tenant_id, change.project_id, change.task_id, change.execution_id)
