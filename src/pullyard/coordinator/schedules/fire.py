"""A tick makes one task, whoever of the replicas sees it first, and however often a process dies."""

from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.schedules.cron import next_tick
from pullyard.coordinator.schedules.write import lock_schedule
from pullyard.coordinator.tasks.create import create_task
from pullyard.protocol.errors import PullyardError, RequestError
from pullyard.protocol.resources import TaskInput
from pullyard.store.errors import is_away
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)


async def fire_due_schedules(services: "Services", due: list[list[str]]) -> bool:
    """Pairs of tenant and schedule; True where something was made."""
    changed = False
    for tenant_id, schedule_id in due:
        structlog.contextvars.bind_contextvars(schedule_id=schedule_id)
        with apart():
            changed |= await fire_schedule(services, tenant_id, schedule_id)
    structlog.contextvars.unbind_contextvars("schedule_id")
    return changed


async def fire_schedule(services: "Services", tenant_id: str, schedule_id: str) -> bool:
    """Looks again under the lock: another replica may have been first, or a person edited it.

    Whatever goes wrong with it, the tick is over and its schedule says why. Raises what says that the
    database is away, and NotFound.
    """
    try:
        async with services.database.transaction() as connection:
            row = await lock_schedule(connection, tenant_id, schedule_id)
            if row.due:
                await fire(connection, row)
            return row.due
    except (PullyardError, ValidationError) as error:
        # Such as an agent that is not known any more.
        said = error.message if isinstance(error, PullyardError) else "Its task can't be used any more."
    except Exception as error:
        if is_away(error):
            raise
        logger.exception("a bug in a schedule")
        said = "This is a fault of the coordinator; its log says more."
    async with services.database.transaction() as connection:
        row = await lock_schedule(connection, tenant_id, schedule_id)
        if row.due:
            logger.warning("schedule failed", problem=said)
            await end_tick(connection, row, None, f"failed: {said}")
    return True


async def fire(connection: AsyncConnection, row: Any) -> None:
    """``row`` is due. Of the ticks that were missed the first one counts, and the others are left out."""
    if row.overlap == "skip" and row.unfinished is not None:
        await end_tick(connection, row, None, f"skipped: task #{row.unfinished} has not ended")
        return
    task_id = await make_task(connection, row)
    tick = {"id": task_id, "schedule_id": row.id, "tick": row.next_at}
    await connection.execute(named("task_schedule"), tick)
    await end_tick(connection, row, task_id, "made a task")


async def make_task(connection: AsyncConnection, row: Any) -> str:
    """The id of a task as the schedule describes it. Raises RequestError, ValidationError."""
    wish = TaskInput.model_validate(row.template)
    return await create_task(connection, row.tenant_id, row.project_id, wish, member_id=row.member_id)


async def end_tick(connection: AsyncConnection, row: Any, task_id: str | None, outcome: str) -> None:
    try:
        tick = next_tick(row.cron, row.time_zone, row.now)
    except RequestError as error:
        # Such as a time zone that this machine does not know: no tick comes before somebody edits it.
        tick, outcome = None, f"failed: {error.message}"
    await connection.execute(
        named("schedule_tick"),
        {"id": row.id, "next_at": tick, "last_tick": row.next_at, "task_id": task_id, "outcome": outcome},
    )
    about = TaskNews(row.tenant_id, row.project_id, task_id)
    payload = {"schedule_id": row.id, "tick": row.next_at.isoformat(), "outcome": outcome}
    await tell(connection, "schedule.ticked", about, payload)
