"""Every write of a worker for an execution passes here: fence, worker and state in one transaction."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.log_fields import about_execution
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.execution import LIVE_EXECUTION_STATES
from pullyard.protocol.errors import LostLease, NotFound
from pullyard.store.queries import named


async def lock_execution(connection: AsyncConnection, tenant_id: str, execution_id: str) -> Any:
    """The execution's row, read under its project's lock; what is logged from here on names it."""
    parameters = {"tenant_id": tenant_id, "id": execution_id}
    project_id = await connection.scalar(named("execution_project"), parameters)
    if project_id is None:
        raise NotFound("execution")
    await lock_project(connection, tenant_id, project_id)
    row = (await connection.execute(named("execution_row"), parameters)).one()
    about_execution(row)
    return row


async def lock_own_execution(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, fence: int
) -> Any:
    """As ``lock_execution``; raises LostLease where another fence or another worker is the right one."""
    row = await lock_execution(connection, tenant_id, execution_id)
    if row.worker_id != worker_id or row.fence != fence:
        raise LostLease
    return row


def is_live(row: Any) -> bool:
    return row.state in LIVE_EXECUTION_STATES
