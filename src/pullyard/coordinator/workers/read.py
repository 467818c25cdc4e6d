"""Workers as people and programs read them."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import ReceiptKey, Worker
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


def receipt_key_resource(row: RowMapping) -> ReceiptKey:
    return ReceiptKey(
        worker_id=row["id"],
        worker_name=row["name"],
        key=row["key"],
        revoked_at=row["revoked_at"],
        removed_at=row["removed_at"],
    )


async def list_receipt_keys(
    connection: AsyncConnection, tenant_id: str, *, key: str | None, before_id: str | None, limit: int
) -> list[RowMapping]:
    rows = await connection.execute(
        named("receipt_keys_list"),
        {"tenant_id": tenant_id, "key": key, "before": before_id, "limit": limit},
    )
    return list(rows.mappings())
