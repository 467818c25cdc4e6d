"""Projects: a repository, how its work is verified, and how many of its tasks run at once."""

from fastapi import APIRouter, Response

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.edits import IfMatch, set_etag
from pullyard.coordinator.news import events_written, look_for_overlaps, queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.projects.read import list_projects, project_resource, read_project
from pullyard.coordinator.projects.write import create_project, edit_project, remove_project
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.resources import Page, Project, ProjectInput, ProjectPatch

router = APIRouter(prefix="/api/v1/projects", tags=["projects"])


@router.get("")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    name: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Project]:
    async with services.database.transaction() as connection:
        rows = await list_projects(
            connection, person.tenant_id, name=name, before_id=before(cursor), limit=limit + 1
        )
    return page(rows, limit, project_resource)


@router.post("", status_code=201)
async def create(wish: ProjectInput, person: Person, services: ServicesNeeded, response: Response) -> Project:
    async with services.database.transaction() as connection:
        project = await create_project(connection, person.tenant_id, wish)
    events_written(services)
    set_etag(response, project.version)
    response.headers["location"] = f"/api/v1/projects/{project.id}"
    return project


@router.get("/{project_id}")
async def show(project_id: str, person: Person, services: ServicesNeeded, response: Response) -> Project:
    async with services.database.transaction() as connection:
        project = await read_project(connection, person.tenant_id, project_id)
    set_etag(response, project.version)
    return project


@router.patch("/{project_id}")
async def edit(
    project_id: str,
    patch: ProjectPatch,
    person: Person,
    services: ServicesNeeded,
    response: Response,
    if_match: IfMatch = None,
) -> Project:
    """Changes the fields that are given. Tasks that run go on as they were granted."""
    async with services.database.transaction() as connection:
        project = await edit_project(connection, person.tenant_id, project_id, patch, if_match)
    queue_changed(services)
    look_for_overlaps(services, project_id)
    set_etag(response, project.version)
    return project


@router.delete("/{project_id}", status_code=204)
async def remove(project_id: str, person: Person, services: ServicesNeeded) -> None:
    async with services.database.transaction() as connection:
        await remove_project(connection, person.tenant_id, project_id)
    events_written(services)
