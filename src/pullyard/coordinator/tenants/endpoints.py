"""The tenant and its members, with how much may run at once for each."""

from fastapi import APIRouter

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.coordinator.tenants.limits import (
    limit_member,
    limit_tenant,
    list_members,
    member_resource,
    read_tenant,
)
from pullyard.protocol.resources import Page
from pullyard.protocol.tenants import LimitPatch, Member, Tenant, TenantPatch

router = APIRouter(prefix="/api/v1", tags=["tenants"])


@router.get("/tenant")
async def show(person: Person, services: ServicesNeeded) -> Tenant:
    """The one that the caller belongs to."""
    async with services.database.transaction() as connection:
        return await read_tenant(connection, person.tenant_id)


@router.patch("/tenant")
async def edit(patch: TenantPatch, person: Person, services: ServicesNeeded) -> Tenant:
    """Owners only. What runs goes on; the next claim goes by the new limit."""
    async with services.database.transaction() as connection:
        tenant = await limit_tenant(connection, person, patch)
    queue_changed(services)
    return tenant


@router.get("/members")
async def list_all(
    person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[Member]:
    async with services.database.transaction() as connection:
        rows = await list_members(connection, person.tenant_id, before_id=before(cursor), limit=limit + 1)
    return page(rows, limit, member_resource)


@router.patch("/members/{member_id}")
async def edit_member(member_id: str, patch: LimitPatch, person: Person, services: ServicesNeeded) -> Member:
    """Owners only. It limits the tasks that the member asked for, in all projects together."""
    async with services.database.transaction() as connection:
        member = await limit_member(connection, person, member_id, patch)
    queue_changed(services)
    return member
