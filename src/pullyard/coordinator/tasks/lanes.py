"""Tasks with the same requirements share a lane, so that a claim compares arrays and no labels."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.store.queries import named


async def lane_for(connection: AsyncConnection, tenant_id: str, labels: Iterable[str]) -> int:
    """The lane of these labels, made where there is none yet."""
    parameters = {"tenant_id": tenant_id, "labels": sorted(set(labels))}
    found = await connection.scalar(named("lane_find"), parameters)
    if found is None:
        found = await connection.scalar(named("lane_create"), parameters)
    assert found is not None
    return int(found)


async def relabel_tasks(connection: AsyncConnection, tenant_id: str, project_id: str) -> None:
    """After the project's labels changed: every task that may still be claimed moves to its new lane."""
    rows = await connection.execute(named("task_label_sets"), {"project_id": project_id})
    for row in rows.all():
        lane_id = await lane_for(connection, tenant_id, [*row.labels, *row.project_labels])
        await connection.execute(
            named("tasks_move_lane"), {"project_id": project_id, "labels": row.labels, "lane_id": lane_id}
        )
    await connection.execute(named("queue_relane"), {"project_id": project_id})
