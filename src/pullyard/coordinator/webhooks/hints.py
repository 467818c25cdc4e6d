"""Something happened at a change: a worker looks at once, because the forge is believed and not a payload."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.look import request_look
from pullyard.coordinator.changes.rows import lock_change
from pullyard.coordinator.webhooks.protocol import Touched
from pullyard.store.queries import named

CHANGES_A_HINT = 20


async def touched_changes(
    connection: AsyncConnection, tenant_id: str, project_id: str, touched: Touched
) -> Sequence[str]:
    """Open ones of the project's own repository, the newest first."""
    wanted = {
        "tenant_id": tenant_id,
        "project_id": project_id,
        "urls": list(touched.urls),
        "branches": list(touched.branches),
        "commits": list(touched.commits),
        "limit": CHANGES_A_HINT,
    }
    return (await connection.execute(named("changes_touched"), wanted)).scalars().all()


async def hint(connection: AsyncConnection, tenant_id: str, change_id: str, seconds: float) -> None:
    """Asks for a look now; where one is under way, for another one after it. ``seconds`` as in a look.

    Anybody may say something on a change, so six looks a minute are enough; what comes beyond is seen by the
    next one.
    """
    await lock_change(connection, tenant_id, change_id)
    if await connection.scalar(named("change_hint"), {"id": change_id}) is not None:
        await request_look(connection, tenant_id, change_id, seconds)


async def look_after_hint(connection: AsyncConnection, errand_id: str) -> None:
    """Call when an errand has ended: what happened meanwhile may not be in what its worker saw."""
    await connection.execute(named("change_hinted"), {"errand_id": errand_id})
