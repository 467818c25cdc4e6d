"""A person drains a worker, takes it out, brings it back, takes its work or its credential away."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.requeue import requeue_execution, take_back
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.worker import WORKER_TRANSITIONS, WorkerEvent, WorkerState
from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named


async def move_worker(
    connection: AsyncConnection,
    tenant_id: str,
    worker_id: str,
    event: WorkerEvent,
    *,
    reason: str | None = None,
) -> WorkerState:
    """``reason`` is shown while it is quarantined. Raises IllegalTransition, NotFound."""
    current = await connection.scalar(named("worker_state"), {"tenant_id": tenant_id, "id": worker_id})
    if current is None:
        raise NotFound("worker")
    state = step("worker", WORKER_TRANSITIONS, WorkerState(current), event)
    if state != current:
        await connection.execute(named("worker_move"), {"id": worker_id, "state": state, "reason": reason})
        payload = {"worker_id": worker_id, "state": state, "from": current, "reason": reason}
        await tell(connection, f"worker.{state.value}", TaskNews(tenant_id), payload)
    return state


async def requeue_all(connection: AsyncConnection, tenant_id: str, worker_id: str, message: str) -> None:
    """Takes back everything that the worker holds; it uses up no try. Repeatable."""
    held = (await connection.execute(named("worker_held"), {"tenant_id": tenant_id, "id": worker_id})).all()
    for row in held:
        await requeue_execution(connection, tenant_id, row.id, message)


async def revoke_worker(connection: AsyncConnection, tenant_id: str, worker_id: str) -> None:
    """Its credentials stop working and what it held goes back into the queue. Repeatable."""
    held = (await connection.execute(named("worker_held"), {"tenant_id": tenant_id, "id": worker_id})).all()
    # Executions first: a project's lock is always taken before a worker's row.
    for row in held:
        await take_back(connection, tenant_id, row.id, "Its worker's access was revoked.")
    await move_worker(
        connection, tenant_id, worker_id, WorkerEvent.QUARANTINE, reason="Its access was revoked."
    )
    await connection.execute(named("worker_revoke"), {"id": worker_id})


async def remove_worker(connection: AsyncConnection, tenant_id: str, worker_id: str) -> None:
    """As ``revoke_worker``, and nobody is shown it any more. Its executions go on naming it."""
    await revoke_worker(connection, tenant_id, worker_id)
    await connection.execute(named("worker_remove"), {"id": worker_id})
    await tell(connection, "worker.removed", TaskNews(tenant_id), {"worker_id": worker_id})
