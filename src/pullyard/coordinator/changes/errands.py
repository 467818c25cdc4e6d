"""Merges and closes: asked for by a person, done by a worker, because only a worker reaches the forge."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.list_errands import check_merged_items
from pullyard.coordinator.changes.ended import change_ended
from pullyard.coordinator.changes.read import errand_resource
from pullyard.coordinator.changes.rows import about, lock_change, read_change_row
from pullyard.coordinator.comparisons.guard import check_chosen
from pullyard.coordinator.errands.create import create_errand
from pullyard.coordinator.events.write import tell
from pullyard.lifecycle.change import CHANGE_TRANSITIONS, ChangeEvent, ChangeState, ErrandKind
from pullyard.lifecycle.machine import step
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import ChangeErrand
from pullyard.protocol.worker import ErrandReport
from pullyard.store.queries import named

_EVENTS = {ErrandKind.MERGE: ChangeEvent.MERGE, ErrandKind.CLOSE: ChangeEvent.CLOSE}


async def request_errand(
    connection: AsyncConnection, tenant_id: str, change_id: str, kind: ErrandKind, commit: str | None = None
) -> ChangeErrand:
    """Asking again gives the one under way.

    Raises IllegalTransition where the change is not open, Conflict where it is at another than ``commit``.
    """
    change = await lock_change(connection, tenant_id, change_id)
    step("change", CHANGE_TRANSITIONS, ChangeState(change.state), _EVENTS[kind])
    if commit is not None and commit != change.commit:
        raise Conflict("The change has a newer commit: look at it, then merge that.", code="commit-moved")
    if kind is ErrandKind.MERGE:
        await check_chosen(connection, change.task_id)
    row = (await connection.execute(named("errand_open"), {"change_id": change_id})).mappings().one_or_none()
    if row is not None and row["kind"] == ErrandKind.LOOK:
        # A person's wish does not wait for what nobody asked for.
        await connection.execute(named("errand_overtake"), {"id": row["id"]})
        row = None
    if row is not None:
        if row["kind"] != kind:
            raise Conflict(
                f"A {row['kind']} of this change is under way; wait for its end.", code="errand-under-way"
            )
        return errand_resource(row)
    created = await create_errand(connection, tenant_id, change.project_id, kind, change_id=change_id)
    await tell(connection, f"change.{kind.value}-requested", about(change), {"change_id": change_id})
    return errand_resource(created)


async def change_errand_ended(
    connection: AsyncConnection, errand: Any, report: ErrandReport, message: str
) -> None:
    """The change is merged or closed, or stays open where that failed."""
    kind = ErrandKind(errand.kind)
    change = await read_change_row(connection, errand.tenant_id, errand.change_id)
    if report.done and kind is ErrandKind.MERGE and not report.commit:
        raise Conflict("A merge that is done names its commit.", code="commit-missing")
    payload = {"change_id": change.id, "message": message}
    if not report.done:
        await tell(connection, f"change.{kind.value}-failed", about(change), payload)
        return
    new_state = step("change", CHANGE_TRANSITIONS, ChangeState(change.state), _EVENTS[kind])
    merged = report.commit if kind is ErrandKind.MERGE else None
    await connection.execute(
        named("change_move"), {"id": change.id, "state": new_state, "merged_commit": merged}
    )
    await change_ended(connection, change)
    await tell(connection, f"change.{new_state.value}", about(change), {**payload, "state": new_state})
    if new_state is ChangeState.MERGED:
        await check_merged_items(connection, change.tenant_id, change.project_id)
