"""Executions: every try at a task, with its receipt."""

from typing import Annotated

from fastapi import APIRouter, Depends

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.executions.read import (
    ExecutionFilter,
    execution_resource,
    list_executions,
    read_execution,
    read_salvage,
)
from pullyard.coordinator.executions.requeue import requeue_execution
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.reasons import said_by_person
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.resources import Execution, Intervention, Page, Salvage

router = APIRouter(prefix="/api/v1/executions", tags=["executions"])


@router.get("")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    where: Annotated[ExecutionFilter, Depends()],
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Execution]:
    async with services.database.transaction() as connection:
        rows = await list_executions(
            connection,
            person.tenant_id,
            where=where,
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, execution_resource)


@router.get("/{execution_id}")
async def show(execution_id: str, person: Person, services: ServicesNeeded) -> Execution:
    async with services.database.transaction() as connection:
        return await read_execution(connection, person.tenant_id, execution_id)


@router.get("/{execution_id}/salvage")
async def show_salvage(execution_id: str, person: Person, services: ServicesNeeded) -> Salvage:
    """The unfinished work it left: where it is, and what it is as far as the project lets it leave."""
    async with services.database.transaction() as connection:
        return await read_salvage(connection, person.tenant_id, execution_id)


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
