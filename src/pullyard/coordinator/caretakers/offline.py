"""Workers that were not heard of for the length of their lease are shown as offline."""

from typing import TYPE_CHECKING

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.news import events_written
from pullyard.lifecycle.machine import sources
from pullyard.lifecycle.worker import WORKER_TRANSITIONS, WorkerEvent, WorkerState
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

_FROM = sorted(sources(WORKER_TRANSITIONS, WorkerEvent.DISCONNECT) - {WorkerState.OFFLINE})


async def mark_offline(services: "Services") -> None:
    async with services.database.transaction() as connection:
        rows = (await connection.execute(named("workers_offline"), {"states": _FROM})).all()
        for row in rows:
            payload = {"worker_id": row.id, "state": WorkerState.OFFLINE}
            await tell(connection, "worker.offline", TaskNews(row.tenant_id), payload)
    events_written(services)
