"""Tasks as people and programs read them, with the labels that nobody has."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle.task import TaskState
from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import Task
from pullyard.store.queries import named

# Without the list's filters it has one plan for all tasks, and is not planned anew for each.
_ALL = named("tasks_list").text.partition("\n    AND (")[0]
_ONE = text(_ALL + "\n    AND t.id = :id")
_SOME = text(_ALL + "\n    AND t.id = ANY(CAST(:ids AS text[]))")
_WAITING = frozenset({TaskState.PENDING, TaskState.QUEUED})


@dataclass(frozen=True)
class TaskFilter:
    """None matches everything."""

    project_id: str | None = None
    number: int | None = None
    state: str | None = None


async def list_tasks(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    where: TaskFilter,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    rows = await connection.execute(
        named("tasks_list"),
        {
            "tenant_id": tenant_id,
            "project_id": where.project_id,
            "number": where.number,
            "state": where.state,
            "before": before_id,
            "limit": limit,
        },
    )
    return list(rows.mappings())


async def task_builder(
    connection: AsyncConnection, tenant_id: str, rows: list[RowMapping]
) -> Callable[[RowMapping], Task]:
    """Turns rows into tasks; asks for the connected workers' labels only where a row needs them."""
    sets: list[frozenset[str]] = []
    if any(row["state"] in _WAITING and row["needed_labels"] for row in rows):
        found = await connection.execute(named("worker_label_sets"), {"tenant_id": tenant_id})
        sets = [frozenset(row.labels) for row in found]

    def build(row: RowMapping) -> Task:
        needed = frozenset(row["needed_labels"]) if row["state"] in _WAITING else frozenset[str]()
        return Task.model_validate({**row, "unmet_labels": unmet(needed, sets)})

    return build


def unmet(needed: frozenset[str], sets: list[frozenset[str]]) -> list[str]:
    """The labels that no worker has; all of them where each has a worker but none has them together."""
    if any(needed <= have for have in sets):
        return []
    return sorted(needed.difference(*sets) or needed)


async def read_task(connection: AsyncConnection, tenant_id: str, task_id: str) -> Task:
    parameters = {"tenant_id": tenant_id, "id": task_id}
    rows = list((await connection.execute(_ONE, parameters)).mappings())
    if not rows:
        raise NotFound("task")
    return (await task_builder(connection, tenant_id, rows))(rows[0])


async def tasks_by_id(connection: AsyncConnection, tenant_id: str, ids: list[str]) -> list[Task]:
    """Those that there are, in no order."""
    rows = list((await connection.execute(_SOME, {"tenant_id": tenant_id, "ids": ids})).mappings())
    build = await task_builder(connection, tenant_id, rows)
    return [build(row) for row in rows]
