"""Changes as people and programs read them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import Change, ChangeErrand
from pullyard.store.queries import named


def errand_resource(row: Mapping[Any, Any]) -> ChangeErrand:
    return ChangeErrand.model_validate(dict(row))


def change_resource(row: RowMapping) -> Change:
    return Change.model_validate(dict(row))


async def list_changes(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    project_id: str | None,
    task_id: str | None,
    state: str | None,
    before_id: str | None,
    limit: int,
) -> list[RowMapping]:
    rows = await connection.execute(
        named("changes_list"),
        {
            "tenant_id": tenant_id,
            "project_id": project_id,
            "task_id": task_id,
            "state": state,
            "id": None,
            "before": before_id,
            "limit": limit,
        },
    )
    return list(rows.mappings())


async def read_change(connection: AsyncConnection, tenant_id: str, change_id: str) -> Change:
    rows = await connection.execute(
        named("changes_list"),
        {
            "tenant_id": tenant_id,
            "project_id": None,
            "task_id": None,
            "state": None,
            "id": change_id,
            "before": None,
            "limit": 1,
        },
    )
    row = rows.mappings().one_or_none()
    if row is None:
        raise NotFound("change")
    return change_resource(row)
