"""Budgets: the most that may be spent, by whom and in which time."""

from typing import Annotated

from fastapi import APIRouter, Query

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.costs.budgets import (
    budget_resource,
    list_budgets,
    read_budget,
    remove_budget,
    set_budget,
)
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.budgets import Budget, BudgetInput
from pullyard.protocol.resources import Page

router = APIRouter(prefix="/api/v1/budgets", tags=["costs"])


@router.get("")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    project_id: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Budget]:
    """The newest first."""
    async with services.database.transaction() as connection:
        rows = await list_budgets(
            connection,
            person.tenant_id,
            project_id=project_id,
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, budget_resource)


@router.put("")
async def replace(wish: BudgetInput, person: Person, services: ServicesNeeded) -> Budget:
    """Owners only. The one of the same project, scope and period, where there is one, has these limits then.

    What was spent in the period counts; executions that wait for the budget go on where it is enough now.
    """
    async with services.database.transaction() as connection:
        budget = await set_budget(connection, person, wish)
    queue_changed(services)
    return budget


@router.get("/{budget_id}")
async def show(budget_id: str, person: Person, services: ServicesNeeded) -> Budget:
    async with services.database.transaction() as connection:
        return await read_budget(connection, person.tenant_id, budget_id)


@router.delete("/{budget_id}", status_code=204)
async def remove(budget_id: str, person: Person, services: ServicesNeeded) -> None:
    """Owners only."""
    async with services.database.transaction() as connection:
        await remove_budget(connection, person, budget_id)
    queue_changed(services)
