"""The board: its columns, what runs and what waits for review, as one answer in place of nine."""

from fastapi import APIRouter
from sqlalchemy import text

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.changes.read import change_resource, list_changes
from pullyard.coordinator.executions.read import ExecutionFilter, execution_resource, list_executions
from pullyard.coordinator.paging import Limit, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.coordinator.tasks.read import TaskFilter, list_tasks, task_builder, tasks_by_id
from pullyard.lifecycle.change import ChangeState
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.board import Board

router = APIRouter(prefix="/api/v1/board", tags=["tasks"])
# A task that moves from one state to another between two statements would be in none of the columns.
_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


@router.get("")
async def show(
    person: Person, services: ServicesNeeded, project_id: str | None = None, limit: Limit = 100
) -> Board:
    """The first page of every state's tasks, with the newest executions and open changes.

    `limit` bounds each of these lists.
    """
    tenant = person.tenant_id
    async with services.database.transaction() as connection:
        await connection.execute(_ONE_MOMENT)
        rows = {
            state: await list_tasks(
                connection, tenant, where=TaskFilter(project_id, state=state), limit=limit + 1
            )
            for state in TaskState
        }
        build = await task_builder(connection, tenant, [row for column in rows.values() for row in column])
        executions = await list_executions(connection, tenant, where=ExecutionFilter(project_id), limit=limit)
        changes = await list_changes(
            connection,
            tenant,
            project_id=project_id,
            task_id=None,
            state=ChangeState.OPEN,
            before_id=None,
            limit=limit,
        )
        shown = {row["id"] for column in rows.values() for row in column[:limit]}
        elsewhere = {row["task_id"] for row in changes} - shown
        changed = await tasks_by_id(connection, tenant, sorted(elsewhere)) if elsewhere else []
    return Board(
        columns={state: page(column, limit, build) for state, column in rows.items()},
        executions=[execution_resource(row) for row in executions],
        changes=[change_resource(row) for row in changes],
        changed=changed,
    )
