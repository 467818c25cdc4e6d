"""A worker is asked to do something at a project's forge or repository."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle.change import ErrandKind
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.store.queries import named


async def create_errand(
    connection: AsyncConnection,
    tenant_id: str,
    project_id: str,
    kind: ErrandKind,
    *,
    change_id: str | None = None,
) -> RowMapping:
    """Its row. Under the project's lock, where none of the kind is under way."""
    parameters = {
        "id": new_id(Kind.ERRAND),
        "tenant_id": tenant_id,
        "project_id": project_id,
        "change_id": change_id,
        "kind": kind,
    }
    return (await connection.execute(named("errand_create"), parameters)).mappings().one()
