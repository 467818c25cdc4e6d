"""Executions: every try at a task, with its receipt and its logs."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.executions.read import (
    ExecutionFilter,
    execution_resource,
    list_executions,
    read_execution,
)
from pullyard.coordinator.executions.requeue import requeue_execution
from pullyard.coordinator.logs.read import read_log
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.reasons import said_by_person
from pullyard.coordinator.services import ServicesNeeded
from pullyard.lifecycle.execution import ExecutionState
from pullyard.protocol.resources import Execution, Intervention, LogStream, Page
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1/executions", tags=["executions"])

MAX_LOG_BYTES = 4 * 1024 * 1024
Offset = Annotated[int, Query(ge=0, le=2**62)]
LogLimit = Annotated[int, Query(ge=0, le=MAX_LOG_BYTES)]
StreamName = Annotated[str, Path(max_length=50, pattern=r"^[a-z][a-z0-9-]*$")]


@router.get("")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    project_id: str | None = None,
    task_id: str | None = None,
    state: ExecutionState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Execution]:
    async with services.database.transaction() as connection:
        rows = await list_executions(
            connection,
            person.tenant_id,
            where=ExecutionFilter(project_id, task_id, state),
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, execution_resource)


@router.get("/{execution_id}")
async def show(execution_id: str, person: Person, services: ServicesNeeded) -> Execution:
    async with services.database.transaction() as connection:
        return await read_execution(connection, person.tenant_id, execution_id)


@router.post("/{execution_id}/requeue")
async def requeue(
    execution_id: str, person: Person, services: ServicesNeeded, wish: Intervention | None = None
) -> Execution:
    """Takes it from its worker, which saves its work; the task is queued again and no try is used up."""
    async with services.database.transaction() as connection:
        await requeue_execution(connection, person.tenant_id, execution_id, said_by_person(wish))
        execution = await read_execution(connection, person.tenant_id, execution_id)
    queue_changed(services)
    return execution


@router.get("/{execution_id}/logs")
async def list_logs(execution_id: str, person: Person, services: ServicesNeeded) -> Page[LogStream]:
    """All streams of the execution; there are few, so there is one page."""
    async with services.database.transaction() as connection:
        await read_execution(connection, person.tenant_id, execution_id)
        rows = (
            await connection.execute(
                named("log_streams_list"), {"tenant_id": person.tenant_id, "execution_id": execution_id}
            )
        ).mappings()
        return Page[LogStream](items=[LogStream.model_validate(dict(row)) for row in rows], next=None)


@router.get(
    "/{execution_id}/logs/{stream}",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def show_log(
    execution_id: str,
    stream: StreamName,
    person: Person,
    services: ServicesNeeded,
    offset: Offset = 0,
    limit: LogLimit = 1024 * 1024,
) -> Response:
    """Raw bytes from `offset`.

    The header `Pullyard-Log-End` is the whole size now; `Pullyard-Log-Final` is false while it may grow.
    """
    async with services.database.transaction() as connection:
        part = await read_log(connection, person.tenant_id, execution_id, stream, offset=offset, limit=limit)
    headers = {
        "pullyard-log-offset": str(offset),
        "pullyard-log-end": str(part.end),
        "pullyard-log-final": "true" if part.final else "false",
    }
    return Response(part.data, media_type="application/octet-stream", headers=headers)
