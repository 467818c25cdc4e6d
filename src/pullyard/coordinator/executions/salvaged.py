"""Unfinished work that was saved after its execution's end was told, or after the execution was lost."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.fenced import is_live, lock_own_execution
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.execution import ExecutionState
from pullyard.lifecycle.policies import RetryPolicy
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.protocol.worker import SalvageReport
from pullyard.store.queries import named


async def note_salvage(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, report: SalvageReport
) -> None:
    """Repeatable; a task that waits for its next try goes on from it, where its retry policy says so.

    What was dropped is not taken for saved any more.

    Raises LostLease for another's execution, Conflict for one not ended without it."""
    row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, report.fence)
    if is_live(row) or row.state == ExecutionState.SUCCEEDED:
        raise Conflict(
            "Only an execution that ended without success leaves unfinished work.", code="no-unfinished-work"
        )
    if report.salvage_ref != f"refs/pullyard/salvage/{execution_id}":
        raise RequestError("Salvage is kept under its execution's own name.", code="invalid-salvage")
    about = TaskNews(row.tenant_id, row.project_id, row.task_id, execution_id)
    if report.dropped:
        dropped = await connection.execute(named("execution_salvage_dropped"), {"id": execution_id})
        if dropped.rowcount:
            await tell(connection, "execution.salvaged", about, {"state": row.state})
        return
    noted = await connection.execute(
        named("execution_salvaged"),
        {"id": execution_id, "salvage_ref": report.salvage_ref, "salvage": storable(report.salvage)},
    )
    if noted.rowcount:
        if row.stop_requested or RetryPolicy(**row.retry).resume:
            waiting = {"task_id": row.task_id, "execution_id": execution_id}
            await connection.execute(named("task_resume_saved"), waiting)
        await tell(connection, "execution.salvaged", about, {"state": row.state})
