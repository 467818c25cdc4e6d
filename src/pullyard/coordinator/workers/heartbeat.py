"""One heartbeat for all executions of a worker: it renews the lease and carries the answers back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pullyard.coordinator.services import Services
from pullyard.lifecycle.worker import WorkerState
from pullyard.protocol.errors import NotFound
from pullyard.protocol.worker import HeartbeatAnswer, HeartbeatRequest, PersonAnswer
from pullyard.store.hot import HotConnection
from pullyard.store.queries import named


@dataclass(frozen=True)
class Beat:
    answer: HeartbeatAnswer
    forgotten: list[str]
    """Executions to take back: their worker is here and has not named them for the length of a lease."""


async def beat(
    connection: HotConnection,
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
    live = (await connection.execute(named("worker_executions"), {"worker_id": worker_id})).all()
    mine = [one for one in live if held.get(one.id) == one.fence]
    if fresh := [one.id for one in mine if not one.acknowledged]:
        await connection.execute(named("grants_acknowledge"), {"ids": fresh})
    answer = HeartbeatAnswer(
        lease_seconds=services.settings.lease_seconds,
        cancel=[one.id for one in mine if one.cancel_requested],
        lost=sorted(held.keys() - {one.id for one in mine}),
        drain=row.state == WorkerState.DRAINING,
        answers=answers_for(mine),
        watched=list(filter(services.hub.watched.is_watched, (one.id for one in mine))),
    )
    missing = [one.id for one in live if one.acknowledged and one.id not in held]
    return Beat(answer, services.forgotten.note(worker_id, missing))


def answers_for(executions: Sequence[Any]) -> list[PersonAnswer]:
    return [
        PersonAnswer(execution_id=one.id, question_id=one.answered["id"], answer=one.answered["answer"])
        for one in executions
        if one.answered
    ]
