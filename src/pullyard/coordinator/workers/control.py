"""A person drains a worker, brings it back or takes its credential away."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.requeue import take_back
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.worker import WORKER_TRANSITIONS, WorkerEvent, WorkerState
from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named


async def move_worker(
    connection: AsyncConnection, tenant_id: str, worker_id: str, event: WorkerEvent
) -> WorkerState:
    """Raises IllegalTransition, NotFound."""
    current = await connection.scalar(named("worker_state"), {"tenant_id": tenant_id, "id": worker_id})
    if current is None:
        raise NotFound("worker")
    state = step("worker", WORKER_TRANSITIONS, WorkerState(current), event)
    if state != current:
        await connection.execute(named("worker_move"), {"id": worker_id, "state": state})
        payload = {"worker_id": worker_id, "state": state, "from": current}
        await tell(connection, f"worker.{state.value}", TaskNews(tenant_id), payload)
    return state


async def revoke_worker(connection: AsyncConnection, tenant_id: str, worker_id: str) -> None:
    """Its credentials stop working and what it held goes back into the queue. Repeatable."""
    held = (await connection.execute(named("worker_held"), {"tenant_id": tenant_id, "id": worker_id})).all()
    # Executions first: a project's lock is always taken before a worker's row.
    for row in held:
        await take_back(connection, tenant_id, row.id, "Its worker's access was revoked.")
    await move_worker(connection, tenant_id, worker_id, WorkerEvent.QUARANTINE)
    await connection.execute(named("worker_revoke"), {"id": worker_id})
