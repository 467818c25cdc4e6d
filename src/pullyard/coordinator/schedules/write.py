"""Make, edit and remove a schedule. Its next tick is reckoned from the database's clock."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.edits import check_version
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.schedules.cron import next_tick
from pullyard.coordinator.schedules.read import read_schedule
from pullyard.coordinator.tasks.create import check_wish
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import Conflict, NotFound, RequestError
from pullyard.protocol.resources import TaskInput, TaskTemplate
from pullyard.protocol.schedules import Schedule, ScheduleInput, SchedulePatch
from pullyard.store.queries import named

SCHEDULES_A_PROJECT = 200


def name_taken() -> Conflict:
    return Conflict("The project has another schedule of this name.", code="name-taken")


def stored(template: TaskTemplate) -> dict[str, Any]:
    """What was said of it, so that the defaults of later versions hold for the rest. Raises RequestError."""
    said = template.model_dump(mode="json", exclude_unset=True)
    check_wish(TaskInput.model_validate(said))
    return said


async def create_schedule(
    connection: AsyncConnection, caller: Principal, project_id: str, wish: ScheduleInput
) -> Schedule:
    """Raises RequestError, NotFound for the project, Conflict ``name-taken``."""
    await lock_project(connection, caller.tenant_id, project_id)
    count = await connection.scalar(named("schedules_count"), {"project_id": project_id})
    if count is not None and count >= SCHEDULES_A_PROJECT:
        raise RequestError(f"A project has at most {SCHEDULES_A_PROJECT} schedules.", code="too-many")
    schedule_id = new_id(Kind.SCHEDULE)
    now = await connection.scalar(text("SELECT now()"))
    tick = next_tick(wish.cron, wish.time_zone, now)
    parameters = {
        **wish.model_dump(exclude={"task"}),
        "id": schedule_id,
        "tenant_id": caller.tenant_id,
        "member_id": caller.member_id,
        "project_id": project_id,
        "template": stored(wish.task),
        "next_at": tick if wish.enabled else None,
    }
    try:
        await connection.execute(named("schedule_create"), parameters)
    except IntegrityError as error:
        raise name_taken() from error
    about = TaskNews(caller.tenant_id, project_id)
    await tell(connection, "schedule.created", about, {"schedule_id": schedule_id, "name": wish.name})
    return await read_schedule(connection, caller.tenant_id, schedule_id)


async def edit_schedule(
    connection: AsyncConnection,
    caller: Principal,
    schedule_id: str,
    patch: SchedulePatch,
    if_match: str | None,
) -> Schedule:
    """Its next tick is reckoned anew where that is changed: a tick that was missed is not made up for.

    Who changes its task asks for those that it makes from then on.
    """
    tenant_id = caller.tenant_id
    row = await lock_schedule(connection, tenant_id, schedule_id)
    check_version(if_match, row.version)
    given = {name: value for name, value in patch if name in patch.model_fields_set and value is not None}
    values: dict[str, Any] = {
        "name": row.name,
        "cron": row.cron,
        "time_zone": row.time_zone,
        "enabled": row.enabled,
        "overlap": row.overlap,
        **given,
        "template": stored(given["task"]) if "task" in given else row.template,
        "member_id": caller.member_id if "task" in given else row.member_id,
    }
    moved = not {"cron", "time_zone", "enabled"}.isdisjoint(given)
    tick = next_tick(values["cron"], values["time_zone"], row.now) if moved else row.next_at
    try:
        await connection.execute(
            named("schedule_edit"),
            {**values, "next_at": tick if values["enabled"] else None, "id": schedule_id},
        )
    except IntegrityError as error:
        raise name_taken() from error
    about = TaskNews(tenant_id, row.project_id)
    payload = {"schedule_id": schedule_id, "fields": sorted(given)}
    await tell(connection, "schedule.edited", about, payload)
    return await read_schedule(connection, tenant_id, schedule_id)


async def remove_schedule(connection: AsyncConnection, tenant_id: str, schedule_id: str) -> None:
    """Its tasks stay."""
    row = await lock_schedule(connection, tenant_id, schedule_id)
    await connection.execute(named("schedule_remove"), {"id": schedule_id})
    about = TaskNews(tenant_id, row.project_id)
    await tell(connection, "schedule.removed", about, {"schedule_id": schedule_id})


async def lock_schedule(connection: AsyncConnection, tenant_id: str, schedule_id: str) -> Any:
    """Its row, read under its project's lock, with the database's time. Raises NotFound."""
    wanted = {"tenant_id": tenant_id, "id": schedule_id}
    row = (await connection.execute(named("schedule_row"), wanted)).one_or_none()
    if row is None:
        raise NotFound("schedule")
    await lock_project(connection, tenant_id, row.project_id)
    locked = (await connection.execute(named("schedule_row"), wanted)).one_or_none()
    if locked is None:
        raise NotFound("schedule")
    return locked
