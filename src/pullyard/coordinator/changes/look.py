"""How changes stand on their forges: a worker looks, because only it reaches them."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.list_errands import check_merged_items
from pullyard.coordinator.changes.ended import change_ended
from pullyard.coordinator.changes.feedback import hear_feedback
from pullyard.coordinator.changes.rows import about, lock_change, read_change_row
from pullyard.coordinator.comparisons.decide import choose_merged
from pullyard.coordinator.errands.create import create_errand
from pullyard.coordinator.events.write import tell
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.change import CHANGE_TRANSITIONS, ChangeEvent, ChangeState, ErrandKind
from pullyard.lifecycle.machine import step
from pullyard.protocol.worker import ChangeLook, ErrandReport
from pullyard.store.queries import named

_ENDS = {ChangeState.MERGED: ChangeEvent.MERGE, ChangeState.CLOSED: ChangeEvent.CLOSE}
CHECKS = frozenset({"none", "pending", "passing", "failing"})


async def request_look(connection: AsyncConnection, tenant_id: str, change_id: str, seconds: float) -> bool:
    """Whether a worker is asked now: not where that is not due any more, or an errand is under way."""
    change = await lock_change(connection, tenant_id, change_id)
    due = await connection.scalar(named("change_look_again"), {"id": change_id, "seconds": seconds})
    if due is None or (await connection.execute(named("errand_open"), {"change_id": change_id})).first():
        return False
    await connection.execute(named("errands_looked"), {"change_id": change_id})
    await create_errand(connection, tenant_id, change.project_id, ErrandKind.LOOK, change_id=change_id)
    return True


async def change_looked_at(
    connection: AsyncConnection, errand: Any, report: ErrandReport, message: str
) -> None:
    """It is merged or closed here, too; of one that is open, what the forge says of it is kept."""
    del message
    look = report.look
    if not report.done or look is None:
        return
    change = await read_change_row(connection, errand.tenant_id, errand.change_id)
    if change.state != ChangeState.OPEN:
        return
    if look.state in _ENDS and (look.merged_commit or look.state is not ChangeState.MERGED):
        await end_change(connection, change, look)
    elif look.state is ChangeState.OPEN and look.checks in CHECKS:
        seen = {"draft": look.draft, "approved": look.approved, "checks": look.checks}
        news = await connection.scalar(named("change_status"), {"id": change.id, "forge_status": seen})
        if news is not None:
            payload = {"change_id": change.id, "state": ChangeState.OPEN, **seen}
            await tell(connection, "change.updated", about(change), payload)
        await hear_feedback(connection, change, look)


async def end_change(connection: AsyncConnection, change: Any, look: ChangeLook) -> None:
    state = step("change", CHANGE_TRANSITIONS, ChangeState(change.state), _ENDS[look.state])
    merged = storable(look.merged_commit) if state is ChangeState.MERGED else None
    await connection.execute(named("change_move"), {"id": change.id, "state": state, "merged_commit": merged})
    await change_ended(connection, change)
    payload = {"change_id": change.id, "message": "", "state": state}
    await tell(connection, f"change.{state.value}", about(change), payload)
    if state is ChangeState.MERGED:
        await choose_merged(connection, change.task_id)
        await check_merged_items(connection, change.tenant_id, change.project_id)
