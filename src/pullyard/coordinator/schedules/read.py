"""Schedules as people and programs read them."""

from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.schedules import Schedule
from pullyard.store.queries import named


def schedule_resource(row: Any) -> Schedule:
    return Schedule.model_validate(dict(row))


async def list_schedules(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    schedule_id: str | None = None,
    project_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    rows = await connection.execute(
        named("schedules_list"),
        {
            "tenant_id": tenant_id,
            "id": schedule_id,
            "project_id": project_id,
            "before": before_id,
            "limit": limit,
        },
    )
    return list(rows.mappings())


async def read_schedule(connection: AsyncConnection, tenant_id: str, schedule_id: str) -> Schedule:
    rows = await list_schedules(connection, tenant_id, schedule_id=schedule_id)
    if not rows:
        raise NotFound("schedule")
    return schedule_resource(rows[0])
