"""Schedules: tasks by a cron text."""

from fastapi import APIRouter, Response

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.edits import IfMatch, set_etag
from pullyard.coordinator.news import events_written, queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.schedules.fire import make_task
from pullyard.coordinator.schedules.read import list_schedules, read_schedule, schedule_resource
from pullyard.coordinator.schedules.write import (
    create_schedule,
    edit_schedule,
    lock_schedule,
    remove_schedule,
)
from pullyard.coordinator.services import ServicesNeeded
from pullyard.coordinator.tasks.read import read_task
from pullyard.protocol.resources import Page, Task
from pullyard.protocol.schedules import Schedule, ScheduleInput, SchedulePatch
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1", tags=["schedules"])


@router.get("/projects/{project_id}/schedules")
async def list_all(
    project_id: str, person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[Schedule]:
    async with services.database.transaction() as connection:
        await read_project(connection, person.tenant_id, project_id)
        rows = await list_schedules(
            connection,
            person.tenant_id,
            project_id=project_id,
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, schedule_resource)


@router.post("/projects/{project_id}/schedules", status_code=201)
async def create(
    project_id: str, wish: ScheduleInput, person: Person, services: ServicesNeeded, response: Response
) -> Schedule:
    """Makes a task at every tick. Of ticks that are missed while no coordinator runs, one is made up for."""
    async with services.database.transaction() as connection:
        schedule = await create_schedule(connection, person, project_id, wish)
    events_written(services)
    services.database.after_commit(services.caretakers.wake)
    set_etag(response, schedule.version)
    response.headers["location"] = f"/api/v1/schedules/{schedule.id}"
    return schedule


@router.get("/schedules/{schedule_id}")
async def show(schedule_id: str, person: Person, services: ServicesNeeded, response: Response) -> Schedule:
    async with services.database.transaction() as connection:
        schedule = await read_schedule(connection, person.tenant_id, schedule_id)
    set_etag(response, schedule.version)
    return schedule


@router.patch("/schedules/{schedule_id}")
async def edit(
    schedule_id: str,
    patch: SchedulePatch,
    person: Person,
    services: ServicesNeeded,
    response: Response,
    if_match: IfMatch = None,
) -> Schedule:
    """Changes the fields that are given. A new time counts from now on."""
    async with services.database.transaction() as connection:
        schedule = await edit_schedule(connection, person, schedule_id, patch, if_match)
    events_written(services)
    services.database.after_commit(services.caretakers.wake)
    set_etag(response, schedule.version)
    return schedule


@router.delete("/schedules/{schedule_id}", status_code=204)
async def remove(schedule_id: str, person: Person, services: ServicesNeeded) -> None:
    """The tasks that it made stay."""
    async with services.database.transaction() as connection:
        await remove_schedule(connection, person.tenant_id, schedule_id)
    events_written(services)


@router.post("/schedules/{schedule_id}/run", status_code=201)
async def run(schedule_id: str, person: Person, services: ServicesNeeded) -> Task:
    """Makes its task now, beside its ticks."""
    async with services.database.transaction() as connection:
        row = await lock_schedule(connection, person.tenant_id, schedule_id)
        task_id = await make_task(connection, row)
        now = {"id": task_id, "schedule_id": schedule_id, "tick": None}
        await connection.execute(named("task_schedule"), now)
        task = await read_task(connection, person.tenant_id, task_id)
    queue_changed(services)
    return task
