"""One heartbeat for all executions of a worker: it renews the lease and carries the answers back."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.services import Services
from pullyard.lifecycle.worker import WorkerState
from pullyard.protocol.errors import NotFound
from pullyard.protocol.worker import HeartbeatAnswer, HeartbeatRequest
from pullyard.store.queries import named


@dataclass(frozen=True)
class Beat:
    answer: HeartbeatAnswer
    forgotten: list[str]
    """Executions to take back: their worker is here and has not named them for the length of a lease."""


async def beat(
    connection: AsyncConnection,
    services: Services,
    tenant_id: str,
    worker_id: str,
    request: HeartbeatRequest,
) -> Beat:
    held = {one.execution_id: one.fence for one in request.executions}
    row = (
        await connection.execute(
            named("worker_beat"),
            {
                "tenant_id": tenant_id,
                "id": worker_id,
                "lease_seconds": services.settings.lease_seconds,
                "draining": request.draining,
                "held": list(held),
            },
        )
    ).one_or_none()
    if row is None:
        raise NotFound("worker")
    live = {
        one.id: one for one in await connection.execute(named("worker_executions"), {"worker_id": worker_id})
    }
    mine = [one for one, fence in held.items() if one in live and live[one].fence == fence]
    if fresh := [one for one in mine if not live[one].acknowledged]:
        await connection.execute(named("grants_acknowledge"), {"ids": fresh})
    missing = [one.id for one in live.values() if one.acknowledged and one.id not in held]
    return Beat(
        HeartbeatAnswer(
            lease_seconds=services.settings.lease_seconds,
            cancel=[one for one in mine if live[one].cancel_requested],
            lost=[one for one in held if one not in mine],
            drain=row.state == WorkerState.DRAINING,
            watched=[one for one in mine if services.log_watch.is_watched(one)],
        ),
        services.forgotten.note(worker_id, missing),
    )
