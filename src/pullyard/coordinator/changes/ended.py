"""What follows from the end of a change."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.radar import Moved
from pullyard.coordinator.tasks.cancel import cancel_task
from pullyard.store.database import note
from pullyard.store.queries import named


async def change_ended(connection: AsyncConnection, change: Any) -> None:
    """It is not brought up to date any more, and the others of its project are looked at again."""
    update_id = await connection.scalar(named("change_update_open"), {"id": change.id})
    if update_id is not None:
        await cancel_task(connection, change.tenant_id, update_id)
    await connection.execute(named("compare_again"), {"id": change.id})
    await connection.execute(named("changes_fall_behind"), {"id": change.id})
    note(connection, Moved(change.project_id))
