"""A worker whose executions keep failing by its own fault takes itself out; a person brings it back."""

from collections.abc import Iterable
from typing import Any

import structlog

from pullyard.coordinator.news import events_written
from pullyard.coordinator.services import Services
from pullyard.coordinator.workers.control import move_worker
from pullyard.lifecycle.reasons import REASONS, Fault, Reason
from pullyard.lifecycle.worker import WorkerEvent
from pullyard.store.queries import named

logger = structlog.get_logger(__name__)

EXECUTIONS_LOOKED_AT = 50


def is_strike(reason: Reason | None) -> bool:
    """A failure by the worker's fault that used up a try.

    A worker that is gone, or was stopped in the middle of its work, proves nothing about the next task.
    """
    return reason is not None and REASONS[reason].fault is Fault.WORKER and REASONS[reason].counts_as_try


def tasks_failed_in_a_row(recent: Iterable[Any]) -> list[str]:
    """Since the last execution that shows the worker to be sound; ``recent`` begins with the newest.

    Several failures of one task are one: it may be the task that no worker could do.
    """
    failed: dict[str, None] = {}
    for row in recent:
        reason = Reason(row.reason) if row.reason else None
        if is_strike(reason):
            failed[row.task_id] = None
        elif reason is None or REASONS[reason].counts_as_try:
            break
    return list(failed)


async def judge_worker(services: Services, tenant_id: str, worker_id: str) -> None:
    """Call after a strike was committed. What else the worker runs goes on: it may well end in a change."""
    limit = services.settings.quarantine_failures
    if limit == 0:
        return
    async with services.database.transaction() as connection:
        recent = await connection.execute(
            named("worker_recent"), {"id": worker_id, "tenant_id": tenant_id, "limit": EXECUTIONS_LOOKED_AT}
        )
        rows = recent.all()
        failed = tasks_failed_in_a_row(rows)
        if len(failed) < limit:
            return
        reason = f"{len(failed)} tasks in a row failed by its own fault, the last one of {rows[0].reason}."
        await move_worker(connection, tenant_id, worker_id, WorkerEvent.QUARANTINE, reason=reason)
    logger.warning("worker quarantined", worker_id=worker_id, tasks=len(failed))
    events_written(services)
