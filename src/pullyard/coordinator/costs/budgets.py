"""Budgets are set, listed and removed; what they bound goes by the new limit at once."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.costs.pause import count_project, count_tenant
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.tenants.owners import require_owner
from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.budgets import Budget, BudgetInput
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.store.queries import named


async def set_budget(connection: AsyncConnection, caller: Principal, wish: BudgetInput) -> Budget:
    """Owners only. Replaces the one of the same project, scope and period. Raises RequestError, NotFound."""
    await require_owner(connection, caller)
    check_budget(wish)
    if wish.project_id is not None:
        await read_project(connection, caller.tenant_id, wish.project_id)
    budget_id = await write(connection, caller.tenant_id, wish)
    return await read_budget(connection, caller.tenant_id, budget_id)


def check_budget(wish: BudgetInput) -> None:
    if wish.limit_micros is None and wish.limit_tokens is None:
        raise RequestError(
            "A budget has a limit of money, of tokens or of both.", code="no-limit", status=422
        )
    named_one = wish.project_id is not None
    if wish.scope is (BudgetScope.TENANT if named_one else BudgetScope.PROJECT):
        raise RequestError(
            "A budget of the tenant names no project, and one of a project does.", code="project", status=422
        )
    each = wish.scope in (BudgetScope.TASK, BudgetScope.EXECUTION)
    if each and wish.period is not BudgetPeriod.TOTAL:
        raise RequestError(
            "A budget for each task or execution has the period 'total'.", code="period", status=422
        )


async def write(connection: AsyncConnection, tenant_id: str, wish: BudgetInput) -> str:
    """Its id. The project's lock comes first, as it does everywhere."""
    if wish.project_id is not None:
        await lock_project(connection, tenant_id, wish.project_id)
    values = {**wish.model_dump(mode="json"), "tenant_id": tenant_id, "id": new_id(Kind.BUDGET)}
    budget_id: str = await connection.scalar(named("budget_set"), values)
    await count(connection, tenant_id, wish.project_id)
    await tell(
        connection,
        "budget.set",
        TaskNews(tenant_id, wish.project_id),
        {"budget_id": budget_id, **wish.model_dump(mode="json", exclude={"project_id"})},
    )
    return budget_id


async def count(connection: AsyncConnection, tenant_id: str, project_id: str | None) -> None:
    if project_id is None:
        await count_tenant(connection, tenant_id)
    else:
        await count_project(connection, project_id)


async def set_daily(
    connection: AsyncConnection, tenant_id: str, project_id: str | None, limit_micros: int | None
) -> None:
    """As the field ``daily_budget_micros`` of a project or the tenant says; None takes that limit away."""
    scope = BudgetScope.TENANT if project_id is None else BudgetScope.PROJECT
    wanted = {"tenant_id": tenant_id, "project_id": project_id, "scope": scope, "period": BudgetPeriod.DAY}
    known = await connection.scalar(named("budget_find"), wanted)
    old = await read_budget(connection, tenant_id, known) if known else None
    if limit_micros is None and (old is None or old.limit_tokens is None):
        if old is not None:
            await remove(connection, tenant_id, old.id)
        return
    wish = BudgetInput(
        scope=scope,
        project_id=project_id,
        period=BudgetPeriod.DAY,
        limit_micros=limit_micros,
        limit_tokens=old.limit_tokens if old else None,
        warn_percent=old.warn_percent if old else 80,
    )
    await write(connection, tenant_id, wish)


async def list_budgets(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    budget_id: str | None = None,
    project_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[Any]:
    parameters = {"tenant_id": tenant_id, "id": budget_id, "project_id": project_id}
    rows = await connection.execute(
        named("budgets_list"), {**parameters, "before": before_id, "limit": limit}
    )
    return list(rows.mappings())


def budget_resource(row: Any) -> Budget:
    return Budget.model_validate(dict(row))


async def read_budget(connection: AsyncConnection, tenant_id: str, budget_id: str) -> Budget:
    rows = await list_budgets(connection, tenant_id, budget_id=budget_id)
    if not rows:
        raise NotFound("budget")
    return budget_resource(rows[0])


async def remove_budget(connection: AsyncConnection, caller: Principal, budget_id: str) -> None:
    """Owners only. Raises NotFound."""
    await require_owner(connection, caller)
    await remove(connection, caller.tenant_id, budget_id)


async def remove(connection: AsyncConnection, tenant_id: str, budget_id: str) -> None:
    budget = await read_budget(connection, tenant_id, budget_id)
    if budget.project_id is not None:
        await lock_project(connection, tenant_id, budget.project_id)
    await connection.execute(named("budget_remove"), {"tenant_id": tenant_id, "id": budget_id})
    await count(connection, tenant_id, budget.project_id)
    about = TaskNews(tenant_id, budget.project_id)
    await tell(connection, "budget.removed", about, {"budget_id": budget_id})
