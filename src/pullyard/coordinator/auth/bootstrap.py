"""The first start makes the tenant and its owner, and a link to log in with."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.credentials import CredentialKind, Issued, issue
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.store.queries import named

# Two replicas that start for the first time at once make one owner.
_LOCK = 7_855_921_002


@dataclass(frozen=True)
class Owner:
    tenant_id: str
    member_id: str


async def bootstrap(connection: AsyncConnection, link_seconds: int) -> tuple[Owner, Issued | None]:
    """The owner, and the first login link where this was the first start."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    row = (await connection.execute(named("owner_find"))).one_or_none()
    if row is not None:
        return Owner(row.tenant_id, row.id), None
    owner = Owner(new_id(Kind.TENANT), new_id(Kind.MEMBER))
    await connection.execute(named("owner_create"), {"tenant_id": owner.tenant_id, "id": owner.member_id})
    link = await issue(
        connection,
        CredentialKind.LOGIN_LINK,
        tenant_id=owner.tenant_id,
        member_id=owner.member_id,
        seconds=link_seconds,
        name="first start",
    )
    return owner, link
