"""A person finds the work of a change good, as it is now: those who merge see who did."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.changes.read import read_change
from pullyard.coordinator.changes.rows import about, check_open, lock_change
from pullyard.coordinator.events.write import tell
from pullyard.lifecycle.change import ChangeState
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import Change
from pullyard.store.queries import named


async def approve(connection: AsyncConnection, person: Principal, change_id: str, commit: str) -> Change:
    """Repeatable. Raises Conflict where the change is not open, or has another commit by now."""
    change = await lock_change(connection, person.tenant_id, change_id)
    check_open(change)
    wish = {"change_id": change_id, "commit": commit, "member_id": person.member_id}
    if await connection.scalar(named("change_approve"), wish) is None:
        raise Conflict("The change has a newer commit: look at it, then approve that.", code="commit-moved")
    payload = {"change_id": change_id, "state": ChangeState.OPEN, "commit": commit}
    await tell(connection, "change.approved", about(change), payload)
    return await read_change(connection, person.tenant_id, change_id)
