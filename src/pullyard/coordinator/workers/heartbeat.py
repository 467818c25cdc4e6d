"""One heartbeat for all executions of a worker: it renews the lease and carries the answers back."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.news import events_written
from pullyard.coordinator.services import Services
from pullyard.coordinator.workers.enrol import check_labels
from pullyard.coordinator.workflows.choose import with_needs
from pullyard.lifecycle.worker import WorkerState
from pullyard.protocol.errors import NotFound
from pullyard.protocol.versions import WORKFLOW_VERSION
from pullyard.protocol.worker import HeartbeatAnswer, HeartbeatRequest, PersonAnswer
from pullyard.store.hot import HotConnections
from pullyard.store.queries import named


@dataclass(frozen=True)
class Beat:
    answer: HeartbeatAnswer
    forgotten: list[str]
    """Executions to take back: their worker is here and has not named them for the length of a lease."""


async def beat(services: Services, tenant_id: str, worker_id: str, request: HeartbeatRequest) -> Beat:
    """Committed when it returns. Repeatable: what is not confirmed in the end is by the next one."""
    # Reports may queue for the other connections; a lease must not run out behind them.
    hot = services.database.hot
    held = {one.execution_id: one.fence for one in request.executions}
    lease_seconds = services.settings.lease_seconds
    about = {"tenant_id": tenant_id, "id": worker_id, "draining": request.draining, "held": list(held)}
    rows = await hot.fetch("worker_beat", {**about, "lease_seconds": lease_seconds})
    if not rows:
        raise NotFound("worker")
    if request.labels is not None:
        await relabel(services, tenant_id, worker_id, rows[0], request.labels)
    live = [one for one in rows if one.id is not None]
    mine = {one.id: one for one in live if held.get(one.id) == one.fence}
    await acknowledge(hot, mine.values())
    answer = HeartbeatAnswer(
        lease_seconds=lease_seconds,
        lost=sorted(held.keys() - mine.keys()),
        drain=rows[0].state == WorkerState.DRAINING,
        watched=list(filter(services.hub.watched.is_watched, mine)),
        cancel=[one.id for one in mine.values() if one.cancel_requested],
        answers=answers_for(mine.values()),
    )
    missing = [one.id for one in live if one.acknowledged and one.id not in held]
    return Beat(answer, services.forgotten.note(worker_id, missing))


async def acknowledge(hot: HotConnections, executions: Collection[Any]) -> None:
    """Their worker names them, so it has its grants."""
    if fresh := [one.id for one in executions if not one.acknowledged]:
        await hot.fetch("grants_acknowledge", {"ids": fresh})


async def relabel(services: Services, tenant_id: str, worker_id: str, known: Any, labels: list[str]) -> None:
    """What a running worker can do may have changed, such as by an engine that is away. Repeatable.

    ``known`` is its row. Once something has changed it says so with each heartbeat, and most are no news.
    """
    check_labels(labels)
    wanted = with_needs(labels, needed=known.protocol_version >= WORKFLOW_VERSION)
    if wanted == known.labels:
        return
    wish = {
        "id": worker_id,
        "tenant_id": tenant_id,
        "labels": wanted,
        "protocol_version": known.protocol_version,
    }
    async with services.database.transaction() as connection:
        if not (await connection.execute(named("worker_relabel"), wish)).rowcount:
            return
        payload = {"worker_id": worker_id, "labels": labels}
        await tell(connection, "worker.relabelled", TaskNews(tenant_id), payload)
    events_written(services)


def answers_for(executions: Collection[Any]) -> list[PersonAnswer]:
    return [
        PersonAnswer(execution_id=one.id, question_id=one.answered["id"], answer=one.answered["answer"])
        for one in executions
        if one.answered
    ]
