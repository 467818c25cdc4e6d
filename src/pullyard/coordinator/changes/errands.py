"""Merges and closes: asked for by a person, done by a worker, because only a worker reaches the forge."""

from collections import defaultdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.read import errand_resource
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.storable import storable
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.change import CHANGE_TRANSITIONS, ChangeEvent, ChangeState, ErrandKind, ErrandState
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.machine import step
from pullyard.protocol.errors import Conflict, LostLease, NotFound
from pullyard.protocol.resources import ChangeErrand
from pullyard.protocol.worker import Errand, ErrandReport, RepositorySpec
from pullyard.store.queries import named

_EVENTS = {ErrandKind.MERGE: ChangeEvent.MERGE, ErrandKind.CLOSE: ChangeEvent.CLOSE}


async def request_errand(
    connection: AsyncConnection, tenant_id: str, change_id: str, kind: ErrandKind
) -> ChangeErrand:
    """Raises IllegalTransition where the change is not open; asking again gives the one under way."""
    change = await lock_change(connection, tenant_id, change_id)
    step("change", CHANGE_TRANSITIONS, ChangeState(change.state), _EVENTS[kind])
    row = (await connection.execute(named("errand_open"), {"change_id": change_id})).mappings().one_or_none()
    if row is not None:
        if row["kind"] != kind:
            raise Conflict(
                f"A {row['kind']} of this change is under way; wait for its end.", code="errand-under-way"
            )
        return errand_resource(row)
    created = await connection.execute(
        named("errand_create"),
        {"id": new_id(Kind.ERRAND), "tenant_id": tenant_id, "change_id": change_id, "kind": kind},
    )
    resource = errand_resource(created.mappings().one())
    await tell(connection, f"change.{kind.value}-requested", about(change), {"change_id": change_id})
    return resource


async def claim_errands(
    connection: AsyncConnection, *, tenant_id: str, worker_ids: list[str], again_seconds: float
) -> dict[str, list[Errand]]:
    """At most one for each worker; one that was given long ago and never reported is given again."""
    rows = await connection.execute(
        named("errands_claim"),
        {
            "tenant_id": tenant_id,
            "worker_ids": worker_ids,
            "slots": len(worker_ids),
            "again_seconds": again_seconds,
        },
    )
    given: dict[str, list[Errand]] = defaultdict(list)
    for row in rows:
        given[row.worker_id].append(
            Errand(
                id=row.id,
                fence=row.fence,
                kind=ErrandKind(row.kind),
                change_id=row.change_id,
                repository=RepositorySpec(url=row.repository, forge=row.forge),
                branch=row.branch,
                base_branch=row.base_branch,
                commit=row.commit,
                title=row.title,
            )
        )
    return given


async def report_errand(
    connection: AsyncConnection, tenant_id: str, worker_id: str, errand_id: str, report: ErrandReport
) -> None:
    """Repeatable. Raises LostLease where the errand was given to somebody else meanwhile."""
    change_id = await connection.scalar(named("errand_change"), {"tenant_id": tenant_id, "id": errand_id})
    if change_id is None:
        raise NotFound("errand")
    change = await lock_change(connection, tenant_id, change_id)
    errand = (await connection.execute(named("errand_row"), {"id": errand_id})).one()
    if errand.worker_id != worker_id or errand.fence != report.fence:
        raise LostLease
    message = storable(report.message)
    state = ErrandState.DONE if report.done else ErrandState.FAILED
    if errand.state == state:
        return
    if errand.state != ErrandState.ASSIGNED:
        raise LostLease
    kind = ErrandKind(errand.kind)
    if report.done and kind is ErrandKind.MERGE and not report.commit:
        raise Conflict("A merge that is done names its commit.", code="commit-missing")
    await connection.execute(named("errand_end"), {"id": errand_id, "state": state, "message": message})
    payload = {"change_id": change.id, "message": message}
    if not report.done:
        await tell(connection, f"change.{kind.value}-failed", about(change), payload)
        return
    new_state = step("change", CHANGE_TRANSITIONS, ChangeState(change.state), _EVENTS[kind])
    merged = report.commit if kind is ErrandKind.MERGE else None
    await connection.execute(
        named("change_move"), {"id": change.id, "state": new_state, "merged_commit": merged}
    )
    await tell(connection, f"change.{new_state.value}", about(change), {**payload, "state": new_state})


async def lock_change(connection: AsyncConnection, tenant_id: str, change_id: str) -> Any:
    """The change's row, read under its project's lock."""
    parameters = {"tenant_id": tenant_id, "id": change_id}
    row = (await connection.execute(named("change_row"), parameters)).one_or_none()
    if row is None:
        raise NotFound("change")
    await lock_project(connection, tenant_id, row.project_id)
    return (await connection.execute(named("change_row"), parameters)).one()


def about(change: Any) -> TaskNews:
    return TaskNews(change.tenant_id, change.project_id, change.task_id, change.execution_id)
