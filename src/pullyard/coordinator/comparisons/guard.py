"""Of a comparison's candidates only the chosen one is gone on with."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import Conflict
from pullyard.store.queries import named


async def comparison_of(connection: AsyncConnection, task_id: str) -> Any | None:
    """Its comparison's row; None for most tasks."""
    return (await connection.execute(named("comparison_of_task"), {"task_id": task_id})).one_or_none()


async def check_chosen(connection: AsyncConnection, task_id: str) -> None:
    """Raises Conflict for a candidate that was not chosen, or not yet."""
    comparison = await comparison_of(connection, task_id)
    if comparison is None or comparison.chosen_task_id == task_id:
        return
    details = {"comparison_id": comparison.id, "chosen_task_id": comparison.chosen_task_id}
    if comparison.decided_at is None:
        raise Conflict(
            "This is one of several candidates for the same task: choose it first, by "
            f"POST /api/v1/comparisons/{comparison.id}/choose.",
            code="not-chosen",
            details=details,
        )
    raise Conflict("This candidate of a comparison was not chosen.", code="not-chosen", details=details)
