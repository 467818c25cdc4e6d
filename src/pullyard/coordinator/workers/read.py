"""Workers as people and programs read them."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import Worker
from pullyard.store.queries import named


def worker_resource(row: RowMapping) -> Worker:
    return Worker.model_validate(dict(row))


async def list_workers(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    worker_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    rows = await connection.execute(
        named("workers_list"),
        {"tenant_id": tenant_id, "id": worker_id, "before": before_id, "limit": limit},
    )
    return list(rows.mappings())


async def read_worker(connection: AsyncConnection, tenant_id: str, worker_id: str) -> Worker:
    rows = await list_workers(connection, tenant_id, worker_id=worker_id)
    if not rows:
        raise NotFound("worker")
    return worker_resource(rows[0])
