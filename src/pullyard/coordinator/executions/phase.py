"""An execution goes on to its next phase."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.costs.pause import withdraw_if_gone_on
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.fenced import is_live, lock_own_execution
from pullyard.coordinator.executions.nodes import write_nodes
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import (
    EXECUTION_TRANSITIONS,
    PHASE_EVENTS,
    PHASE_STATES,
    ExecutionState,
    Phase,
)
from pullyard.lifecycle.machine import step
from pullyard.protocol.errors import LostLease
from pullyard.protocol.worker import PhaseReport
from pullyard.store.queries import named

_ORDER = list(PHASE_STATES.values())


def after_phase(state: ExecutionState, phase: Phase) -> ExecutionState:
    """The same state where the phase is known already. Raises IllegalTransition for one that is left out."""
    known = state is ExecutionState.WAITING_INPUT or (
        state in _ORDER and _ORDER.index(state) >= _ORDER.index(PHASE_STATES[phase])
    )
    return state if known else step("execution", EXECUTION_TRANSITIONS, state, PHASE_EVENTS[phase])


async def begin_phase(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, report: PhaseReport
) -> None:
    """Repeatable. Raises LostLease for a stale fence, IllegalTransition for a phase that is left out.

    A restarted worker tells of all its phases again: those that are reached already move nothing. Nor does
    any report while a person is asked; only the answer ends that. A question about a budget is none any more
    once its step is over.
    """
    row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, report.fence)
    if not is_live(row):
        raise LostLease
    if await withdraw_if_gone_on(connection, row, report.phase):
        row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, report.fence)
    state = after_phase(ExecutionState(row.state), report.phase)
    known = state == row.state
    await connection.execute(
        named("execution_move"), {"id": execution_id, "state": state, "facts": storable(report.facts)}
    )
    await write_nodes(connection, row, report.nodes)
    about = TaskNews(tenant_id, row.project_id, row.task_id, execution_id)
    begun = next((node.name for node in report.nodes if node.outcome is None), None)
    if not known:
        await tell(connection, f"execution.{state.value}", about, {"state": state, "node": begun})
    elif begun is not None:
        await tell(connection, "execution.node", about, {"state": state, "node": begun})
    reached("phase-before-commit")
