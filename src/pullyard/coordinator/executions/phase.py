"""An execution goes on to its next phase."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.fenced import is_live, lock_own_execution
from pullyard.lifecycle.execution import EXECUTION_TRANSITIONS, PHASE_EVENTS, ExecutionState
from pullyard.lifecycle.machine import step
from pullyard.protocol.errors import LostLease
from pullyard.protocol.worker import PhaseReport
from pullyard.store.queries import named

_STATES = {
    phase: target
    for phase, event in PHASE_EVENTS.items()
    for (_, candidate), target in EXECUTION_TRANSITIONS.items()
    if candidate == event
}


async def begin_phase(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, report: PhaseReport
) -> None:
    """Repeatable. Raises LostLease for a stale fence, IllegalTransition for a phase out of order."""
    row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, report.fence)
    if not is_live(row):
        raise LostLease
    state = ExecutionState(row.state)
    repeated = state is _STATES[report.phase]
    if not repeated:
        state = step("execution", EXECUTION_TRANSITIONS, state, PHASE_EVENTS[report.phase])
    await connection.execute(
        named("execution_move"), {"id": execution_id, "state": state, "facts": report.facts}
    )
    if not repeated:
        about = TaskNews(tenant_id, row.project_id, row.task_id, execution_id)
        await tell(connection, f"execution.{state.value}", about, {"state": state})
