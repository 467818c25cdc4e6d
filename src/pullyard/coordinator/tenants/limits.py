"""How much may run at once for a tenant and for one of its members; the next claim goes by it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.costs.budgets import set_daily
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tenants.owners import require_owner
from pullyard.protocol.errors import NotFound
from pullyard.protocol.tenants import LimitPatch, Member, Tenant, TenantPatch
from pullyard.store.queries import named


async def read_tenant(connection: AsyncConnection, tenant_id: str) -> Tenant:
    row = (await connection.execute(named("tenant_row"), {"id": tenant_id})).mappings().one()
    return Tenant.model_validate(dict(row))


async def list_members(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    member_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[Any]:
    rows = await connection.execute(
        named("members_list"),
        {"tenant_id": tenant_id, "id": member_id, "before": before_id, "limit": limit},
    )
    return list(rows.mappings())


def member_resource(row: Any) -> Member:
    return Member.model_validate(dict(row))


async def limit_tenant(connection: AsyncConnection, caller: Principal, patch: TenantPatch) -> Tenant:
    """What runs goes on, also where there is more of it now than the new limit."""
    await require_owner(connection, caller)
    if "max_running" in patch.model_fields_set:
        limit = {"max_running": patch.max_running}
        await connection.execute(named("tenant_limit"), {"id": caller.tenant_id, **limit})
        await tell(connection, "tenant.edited", TaskNews(caller.tenant_id), limit)
    if "daily_budget_micros" in patch.model_fields_set:
        await set_daily(connection, caller.tenant_id, None, patch.daily_budget_micros)
        budget = {"daily_budget_micros": patch.daily_budget_micros}
        await tell(connection, "tenant.edited", TaskNews(caller.tenant_id), budget)
    return await read_tenant(connection, caller.tenant_id)


async def limit_member(
    connection: AsyncConnection, caller: Principal, member_id: str, patch: LimitPatch
) -> Member:
    """As ``limit_tenant``. Raises NotFound."""
    await require_owner(connection, caller)
    if "max_running" in patch.model_fields_set:
        limit = {"max_running": patch.max_running}
        await connection.execute(
            named("member_limit"), {"tenant_id": caller.tenant_id, "id": member_id, **limit}
        )
        about = {"member_id": member_id, **limit}
        await tell(connection, "member.edited", TaskNews(caller.tenant_id), about)
    rows = await list_members(connection, caller.tenant_id, member_id=member_id)
    if not rows:
        raise NotFound("member")
    return member_resource(rows[0])
