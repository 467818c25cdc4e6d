"""Comparisons: several agents on one task, of whose work one is chosen."""

from fastapi import APIRouter, Response

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.comparisons.choose import cancel_comparison, choose
from pullyard.coordinator.comparisons.create import create_comparison
from pullyard.coordinator.comparisons.read import (
    Wanted,
    comparison_resource,
    list_comparisons,
    read_candidates,
    read_comparison,
)
from pullyard.coordinator.news import errands_changed, queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.comparisons import ChoiceInput, Comparison, ComparisonInput
from pullyard.protocol.resources import Page

router = APIRouter(prefix="/api/v1", tags=["comparisons"])


@router.post("/projects/{project_id}/comparisons", status_code=201)
async def create(
    project_id: str, wish: ComparisonInput, person: Person, services: ServicesNeeded, response: Response
) -> Comparison:
    """Makes a task for each candidate; all or none. A budget of the task is each candidate's own."""
    async with services.database.transaction() as connection:
        comparison_id = await create_comparison(
            connection, person.tenant_id, project_id, wish, member_id=person.member_id
        )
        comparison = await read_comparison(connection, person.tenant_id, comparison_id)
    queue_changed(services)
    if wish.start_at is not None:
        services.database.after_commit(services.caretakers.wake)
    response.headers["location"] = f"/api/v1/comparisons/{comparison.id}"
    return comparison


@router.get("/comparisons")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    project_id: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Comparison]:
    wanted = Wanted(project_id=project_id, before_id=before(cursor), limit=limit + 1)
    async with services.database.transaction() as connection:
        rows = await list_comparisons(connection, person.tenant_id, wanted)
        shown = [row["id"] for row in rows[:limit]]
        candidates = await read_candidates(connection, person.tenant_id, shown)
    return page(rows, limit, lambda row: comparison_resource(row, candidates[row["id"]]))


@router.get("/comparisons/{comparison_id}")
async def show(comparison_id: str, person: Person, services: ServicesNeeded) -> Comparison:
    async with services.database.transaction() as connection:
        return await read_comparison(connection, person.tenant_id, comparison_id)


@router.post("/comparisons/{comparison_id}/choose")
async def choose_one(
    comparison_id: str, wish: ChoiceInput, person: Person, services: ServicesNeeded
) -> Comparison:
    """The other candidates are cancelled, with their work saved, and their changes closed. Repeatable.

    409 where another one was chosen before; it says by whom.
    """
    async with services.database.transaction() as connection:
        await choose(connection, person, comparison_id, wish.task_id)
        comparison = await read_comparison(connection, person.tenant_id, comparison_id)
    queue_changed(services)
    errands_changed(services)
    return comparison


@router.post("/comparisons/{comparison_id}/cancel")
async def cancel(comparison_id: str, person: Person, services: ServicesNeeded) -> Comparison:
    """Chooses none: every candidate is cancelled, its work saved, and every change closed. Repeatable."""
    async with services.database.transaction() as connection:
        await cancel_comparison(connection, person, comparison_id)
        comparison = await read_comparison(connection, person.tenant_id, comparison_id)
    queue_changed(services)
    errands_changed(services)
    return comparison
