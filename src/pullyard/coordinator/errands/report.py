"""A worker tells how an errand went; what follows is of the errand's kind."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.list_errands import list_errand_ended
from pullyard.coordinator.changes.compare import compare_errand_ended
from pullyard.coordinator.changes.errands import change_errand_ended
from pullyard.coordinator.changes.look import change_looked_at
from pullyard.coordinator.issues.poll import issues_errand_ended
from pullyard.coordinator.storable import storable
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.webhooks.hints import look_after_hint
from pullyard.lifecycle.change import LATER_ERRANDS, ErrandKind, ErrandState
from pullyard.protocol.errors import LostLease, NotFound
from pullyard.protocol.worker import ErrandReport
from pullyard.store.queries import named

REFUSED_SECONDS = 600
"""So long a worker that refused an errand is not asked again."""
Ended = Callable[[AsyncConnection, Any, ErrandReport, str], Awaitable[None]]
"""Takes the errand's row, the report and its message as it may be stored, under the project's lock."""

ENDINGS: Mapping[ErrandKind, Ended] = {
    ErrandKind.MERGE: change_errand_ended,
    ErrandKind.CLOSE: change_errand_ended,
    ErrandKind.LOOK: change_looked_at,
    ErrandKind.READ_TASK_LIST: list_errand_ended,
    ErrandKind.WRITE_TASK_LIST: list_errand_ended,
    ErrandKind.READ_ISSUES: issues_errand_ended,
    ErrandKind.COMPARE: compare_errand_ended,
}


async def report_errand(
    connection: AsyncConnection, tenant_id: str, worker_id: str, errand_id: str, report: ErrandReport
) -> None:
    """Repeatable. Raises LostLease where the errand was given to somebody else meanwhile."""
    parameters = {"tenant_id": tenant_id, "id": errand_id}
    project_id = await connection.scalar(named("errand_place"), parameters)
    if project_id is None:
        raise NotFound("errand")
    await lock_project(connection, tenant_id, project_id)
    errand = (await connection.execute(named("errand_row"), parameters)).one()
    if errand.worker_id != worker_id or errand.fence != report.fence:
        raise LostLease
    state = ErrandState.DONE if report.done else ErrandState.FAILED
    if errand.state == state:
        return
    if errand.state != ErrandState.ASSIGNED:
        raise LostLease
    if report.refused and await is_for_another_worker(connection, errand):
        return
    message = storable(report.message)
    await connection.execute(named("errand_end"), {"id": errand_id, "state": state, "message": message})
    await ENDINGS[ErrandKind(errand.kind)](connection, errand, report, message)
    await look_after_hint(connection, errand_id)


async def is_for_another_worker(connection: AsyncConnection, errand: Any) -> bool:
    """Whether it was queued again, for a worker whose owner may allow what this one's does not."""
    refusal = {
        "id": errand.id,
        "worker_id": errand.worker_id,
        "seconds": REFUSED_SECONDS,
        "least_version": LATER_ERRANDS.get(ErrandKind(errand.kind), 1),
    }
    return await connection.scalar(named("errand_refused"), refusal) is not None
