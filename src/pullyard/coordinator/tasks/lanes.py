"""Tasks with the same requirements and the same asker share a lane: a claim compares arrays and no labels."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.store.queries import named


async def lane_for(
    connection: AsyncConnection, tenant_id: str, labels: Iterable[str], member_id: str | None
) -> int:
    """The lane of these labels for tasks that this member asked for, made where there is none yet."""
    parameters = {"tenant_id": tenant_id, "labels": sorted(set(labels)), "member_id": member_id}
    found = await connection.scalar(named("lane_find"), parameters)
    if found is None:
        found = await connection.scalar(named("lane_create"), parameters)
    assert found is not None
    return int(found)


async def lane_of(connection: AsyncConnection, task: Any, labels: Iterable[str]) -> int:
    """The lane of a task with these labels of its own; ``task`` is its row."""
    project_labels = await connection.scalar(named("project_labels"), {"project_id": task.project_id})
    return await lane_for(connection, task.tenant_id, [*labels, *(project_labels or [])], task.member_id)


async def relabel_tasks(connection: AsyncConnection, tenant_id: str, project_id: str) -> None:
    """After the project's labels changed: every task that may still be claimed moves to its new lane."""
    rows = await connection.execute(named("task_label_sets"), {"project_id": project_id})
    for row in rows.all():
        labels = [*row.labels, *row.project_labels]
        lane_id = await lane_for(connection, tenant_id, labels, row.member_id)
        await connection.execute(
            named("tasks_move_lane"),
            {
                "project_id": project_id,
                "labels": row.labels,
                "member_id": row.member_id,
                "lane_id": lane_id,
            },
        )
    await connection.execute(named("queue_relane"), {"project_id": project_id})
