"""Projects as people and programs read them."""

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import Project
from pullyard.store.queries import named


def project_resource(row: RowMapping) -> Project:
    return Project.model_validate(dict(row))


async def list_projects(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    project_id: str | None = None,
    name: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    rows = await connection.execute(
        named("projects_list"),
        {"tenant_id": tenant_id, "id": project_id, "name": name, "before": before_id, "limit": limit},
    )
    return list(rows.mappings())


async def read_project(connection: AsyncConnection, tenant_id: str, project_id: str) -> Project:
    rows = await list_projects(connection, tenant_id, project_id=project_id)
    if not rows:
        raise NotFound("project")
    return project_resource(rows[0])
