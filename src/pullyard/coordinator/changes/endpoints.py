"""Changes: the work as it was delivered, to look at, merge or close."""

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.changes.approve import approve
from pullyard.coordinator.changes.errands import request_errand
from pullyard.coordinator.changes.read import change_resource, list_changes, read_change
from pullyard.coordinator.news import errands_changed, events_written
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import ApprovalInput, Change, ChangeErrand, MergeInput, Page
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1/changes", tags=["changes"])


@router.get("")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    project_id: str | None = None,
    task_id: str | None = None,
    state: ChangeState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Change]:
    async with services.database.transaction() as connection:
        rows = await list_changes(
            connection,
            person.tenant_id,
            project_id=project_id,
            task_id=task_id,
            state=state,
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, change_resource)


@router.get("/{change_id}")
async def show(change_id: str, person: Person, services: ServicesNeeded) -> Change:
    async with services.database.transaction() as connection:
        return await read_change(connection, person.tenant_id, change_id)


@router.get("/{change_id}/diff", response_class=PlainTextResponse)
async def show_diff(change_id: str, person: Person, services: ServicesNeeded) -> PlainTextResponse:
    """The unified diff as text. 404 where the project's text policy keeps it on the worker."""
    async with services.database.transaction() as connection:
        row = (
            await connection.execute(named("change_diff"), {"tenant_id": person.tenant_id, "id": change_id})
        ).one_or_none()
    if row is None:
        raise NotFound("change")
    if row.diff is None:
        raise NotFound("diff: the project's text policy keeps it where the code is")
    headers = {"pullyard-diff-truncated": "true" if row.diff_truncated else "false"}
    return PlainTextResponse(row.diff, headers=headers)


@router.post("/{change_id}/approve")
async def approve_change(
    change_id: str, wish: ApprovalInput, person: Person, services: ServicesNeeded
) -> Change:
    """Tells those who merge that the member finds it good, until it has another commit. Repeatable."""
    async with services.database.transaction() as connection:
        change = await approve(connection, person, change_id, wish.commit)
    events_written(services)
    return change


@router.post("/{change_id}/merge", status_code=202)
async def merge(
    change_id: str, person: Person, services: ServicesNeeded, wish: MergeInput | None = None
) -> ChangeErrand:
    """Asks a worker to merge; the change's `errand` tells how it went."""
    commit = wish.commit if wish else None
    return await ask(services, person.tenant_id, change_id, ErrandKind.MERGE, commit)


@router.post("/{change_id}/close", status_code=202)
async def close(change_id: str, person: Person, services: ServicesNeeded) -> ChangeErrand:
    return await ask(services, person.tenant_id, change_id, ErrandKind.CLOSE)


async def ask(
    services: Services, tenant_id: str, change_id: str, kind: ErrandKind, commit: str | None = None
) -> ChangeErrand:
    async with services.database.transaction() as connection:
        errand = await request_errand(connection, tenant_id, change_id, kind, commit)
    errands_changed(services)
    return errand
