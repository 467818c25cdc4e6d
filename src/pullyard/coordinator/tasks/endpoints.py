"""Tasks: what is wanted."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pullyard.coordinator.audit.write import deed_of, record
from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.edits import IfMatch, set_etag
from pullyard.coordinator.executions.read import ExecutionFilter, execution_resource, list_executions
from pullyard.coordinator.news import events_written, look_for_overlaps, queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.reasons import said_by_person
from pullyard.coordinator.services import ServicesNeeded
from pullyard.coordinator.tasks.cancel import cancel_task
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.edit import edit_task
from pullyard.coordinator.tasks.position import move_in_queue
from pullyard.coordinator.tasks.read import TaskFilter, list_tasks, read_task, task_builder
from pullyard.coordinator.tasks.ready import ready_task
from pullyard.coordinator.tasks.remove import remove_task
from pullyard.coordinator.tasks.requeue import requeue_task
from pullyard.coordinator.tasks.retry import retry_task
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.automation import TaskMove
from pullyard.protocol.resources import Execution, Intervention, Page, Task, TaskInput, TaskPatch, TaskRetry

router = APIRouter(prefix="/api/v1", tags=["tasks"])
Number = Annotated[int, Query(ge=1, le=2**31 - 1)]


@router.post("/projects/{project_id}/tasks", status_code=201)
async def create(
    project_id: str,
    wish: TaskInput,
    person: Person,
    services: ServicesNeeded,
    request: Request,
    response: Response,
) -> Task:
    async with services.dispatcher.enqueuing(person.tenant_id, wish.labels) as queue:
        task_id = await create_task(
            queue.connection, person.tenant_id, project_id, wish, member_id=person.member_id
        )
        details = {"fields": sorted(wish.model_fields_set)}
        await record(queue.connection, deed_of(request.scope, person, target=task_id, details=details))
    if task_id in queue.granted:
        events_written(services)
    else:
        queue_changed(services)
    if wish.start_at is not None:
        services.database.after_commit(services.caretakers.wake)
    if wish.target_files:
        look_for_overlaps(services, project_id)
    async with services.database.reading() as connection:
        task = await read_task(connection, person.tenant_id, task_id)
    set_etag(response, task.version)
    response.headers["location"] = f"/api/v1/tasks/{task.id}"
    return task


@router.get("/tasks")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    project_id: str | None = None,
    number: Number | None = None,
    state: TaskState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Task]:
    async with services.database.transaction() as connection:
        rows = await list_tasks(
            connection,
            person.tenant_id,
            where=TaskFilter(project_id=project_id, number=number, state=state),
            before_id=before(cursor),
            limit=limit + 1,
        )
        build = await task_builder(connection, person.tenant_id, rows)
    return page(rows, limit, build)


@router.get("/tasks/{task_id}")
async def show(task_id: str, person: Person, services: ServicesNeeded, response: Response) -> Task:
    async with services.database.transaction() as connection:
        task = await read_task(connection, person.tenant_id, task_id)
    set_etag(response, task.version)
    return task


@router.patch("/tasks/{task_id}")
async def edit(
    task_id: str,
    patch: TaskPatch,
    person: Person,
    services: ServicesNeeded,
    response: Response,
    if_match: IfMatch = None,
) -> Task:
    async with services.database.transaction() as connection:
        task = await edit_task(
            connection, person.tenant_id, task_id, patch, if_match, member_id=person.member_id
        )
    queue_changed(services)
    look_for_overlaps(services, task.project_id)
    services.database.after_commit(services.caretakers.wake)
    set_etag(response, task.version)
    return task


@router.post("/tasks/{task_id}/cancel")
async def cancel(task_id: str, person: Person, services: ServicesNeeded) -> Task:
    """A running task ends when its worker has saved the work."""
    async with services.database.transaction() as connection:
        await cancel_task(connection, person.tenant_id, task_id)
        task = await read_task(connection, person.tenant_id, task_id)
    look_for_overlaps(services, task.project_id)
    events_written(services)
    return task


@router.post("/tasks/{task_id}/retry")
async def retry(
    task_id: str, person: Person, services: ServicesNeeded, wish: TaskRetry | None = None
) -> Task:
    async with services.database.transaction() as connection:
        await retry_task(
            connection,
            person.tenant_id,
            task_id,
            resume=bool(wish and wish.resume),
            member_id=person.member_id,
        )
        task = await read_task(connection, person.tenant_id, task_id)
    look_for_overlaps(services, task.project_id)
    queue_changed(services)
    return task


@router.post("/tasks/{task_id}/move")
async def move(task_id: str, wish: TaskMove, person: Person, services: ServicesNeeded) -> Task:
    """Puts a task that waits at another place of its project's queue, with the priority of that place."""
    async with services.database.transaction() as connection:
        await move_in_queue(connection, person.tenant_id, task_id, wish)
        task = await read_task(connection, person.tenant_id, task_id)
    look_for_overlaps(services, task.project_id)
    queue_changed(services)
    return task


@router.post("/tasks/{task_id}/ready")
async def ready(task_id: str, person: Person, services: ServicesNeeded) -> Task:
    """The draft is done: it is queued, or waits for what it depends on or for its start."""
    async with services.database.transaction() as connection:
        await ready_task(connection, person.tenant_id, task_id)
        task = await read_task(connection, person.tenant_id, task_id)
    queue_changed(services)
    services.database.after_commit(services.caretakers.wake)
    return task


@router.post("/tasks/{task_id}/requeue")
async def requeue(
    task_id: str, person: Person, services: ServicesNeeded, wish: Intervention | None = None
) -> Task:
    """Takes a running task from its worker, which saves its work, and queues it again. No try is used up.

    One that waits after a failed try, or for work that it overlaps with, is queued at once.
    """
    async with services.database.transaction() as connection:
        await requeue_task(connection, person.tenant_id, task_id, said_by_person(wish))
        task = await read_task(connection, person.tenant_id, task_id)
    look_for_overlaps(services, task.project_id)
    queue_changed(services)
    return task


@router.delete("/tasks/{task_id}", status_code=204)
async def remove(task_id: str, person: Person, services: ServicesNeeded) -> None:
    """Only while it never ran and nothing waits for it; else cancel it."""
    async with services.database.transaction() as connection:
        await remove_task(connection, person.tenant_id, task_id)
    events_written(services)


@router.get("/tasks/{task_id}/executions")
async def executions(
    task_id: str, person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[Execution]:
    """Newest first."""
    async with services.database.transaction() as connection:
        await read_task(connection, person.tenant_id, task_id)
        rows = await list_executions(
            connection,
            person.tenant_id,
            where=ExecutionFilter(task_id=task_id),
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, execution_resource)
