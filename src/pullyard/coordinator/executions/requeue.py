"""Take an execution away from its worker: its lease ran out, its grant never arrived, or it was forgotten."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.executions.end import Outcome, end_execution
from pullyard.coordinator.executions.fenced import is_live, lock_execution
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.lifecycle.reasons import Reason
from pullyard.store.queries import named

_SENTENCES = {
    Reason.LEASE_EXPIRED: "The worker was not heard of for the length of its lease.",
    Reason.GRANT_UNACKNOWLEDGED: "The worker never confirmed that it received the task.",
}


async def lose_execution(
    connection: AsyncConnection,
    tenant_id: str,
    execution_id: str,
    reason: Reason,
    *,
    acknowledge_seconds: float,
) -> bool:
    """Look again under the lock: the worker may have come back meanwhile; True where it was taken away."""
    execution = await lock_execution(connection, tenant_id, execution_id)
    if not is_live(execution):
        return False
    still = await connection.scalar(
        named("execution_overdue"),
        {"id": execution_id, "reason": reason, "seconds": acknowledge_seconds},
    )
    if not still:
        return False
    await end_execution(connection, execution, Outcome(reason, _SENTENCES[reason]))
    reached("lose-before-commit")
    return True


async def take_back(
    connection: AsyncConnection,
    tenant_id: str,
    execution_id: str,
    message: str,
    *,
    reason: Reason = Reason.LEASE_EXPIRED,
) -> bool:
    """Without asking about its lease: the worker does not hold it any more, or may not."""
    execution = await lock_execution(connection, tenant_id, execution_id)
    if not is_live(execution):
        return False
    await end_execution(connection, execution, Outcome(reason, message))
    return True


async def requeue_execution(
    connection: AsyncConnection, tenant_id: str, execution_id: str, message: str
) -> None:
    """A person takes it from its worker, whose fence is stale from here on; the task is queued again.

    It uses up no try. Raises IllegalTransition where it has ended.
    """
    execution = await lock_execution(connection, tenant_id, execution_id)
    if not is_live(execution):
        raise IllegalTransition("execution", execution.state, "be requeued", [])
    await connection.execute(named("task_forgive"), {"id": execution.task_id})
    await end_execution(connection, execution, Outcome(Reason.TAKEN_BACK, message))
