"""Executions as people and programs read them."""

from dataclasses import dataclass

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle.execution import ExecutionState
from pullyard.lifecycle.reasons import REASONS, Reason
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.resources import Execution, Salvage
from pullyard.store.queries import named

_SOME = text(
    named("executions_list").text.partition("\n    AND (")[0] + "\n    AND id = ANY(CAST(:ids AS text[]))"
)


@dataclass(frozen=True)
class ExecutionFilter:
    """None matches everything."""

    project_id: str | None = None
    task_id: str | None = None
    state: ExecutionState | None = None
    salvaged: bool = False
    """Only those that left unfinished work."""


_EVERYTHING = ExecutionFilter()


def execution_resource(row: RowMapping) -> Execution:
    fault = REASONS[Reason(row["reason"])].fault if row["reason"] else None
    return Execution.model_validate({**row, "fault": fault})


async def list_executions(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    execution_id: str | None = None,
    where: ExecutionFilter = _EVERYTHING,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    rows = await connection.execute(
        named("executions_list"),
        {
            "tenant_id": tenant_id,
            "id": execution_id,
            "task_id": where.task_id,
            "project_id": where.project_id,
            "state": where.state,
            "salvaged": where.salvaged,
            "before": before_id,
            "limit": limit,
        },
    )
    return list(rows.mappings())


async def read_execution(connection: AsyncConnection, tenant_id: str, execution_id: str) -> Execution:
    rows = await list_executions(connection, tenant_id, execution_id=execution_id)
    if not rows:
        raise NotFound("execution")
    return execution_resource(rows[0])


async def executions_by_id(connection: AsyncConnection, tenant_id: str, ids: list[str]) -> list[Execution]:
    """Those that there are, in no order."""
    rows = await connection.execute(_SOME, {"tenant_id": tenant_id, "ids": ids})
    return [execution_resource(row) for row in rows.mappings()]


async def read_salvage(connection: AsyncConnection, tenant_id: str, execution_id: str) -> Salvage:
    parameters = {"tenant_id": tenant_id, "id": execution_id}
    row = (await connection.execute(named("execution_salvage"), parameters)).mappings().one_or_none()
    if row is None:
        raise NotFound("salvage")
    if row["dropped"]:
        raise RequestError(
            "Its unfinished work was dropped on the worker that had saved it.",
            code="salvage-dropped",
            status=410,
        )
    # Workers wrote it, of whatever version they are.
    told = row["repositories"] if isinstance(row["repositories"], list) else []
    return Salvage.model_validate({**row, "repositories": [one for one in told if isinstance(one, dict)]})
