"""A one-time login link becomes a session."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.credentials import CredentialKind, Issued, digest, issue
from pullyard.coordinator.auth.identify import Principal, Unauthenticated
from pullyard.protocol.resources import Session
from pullyard.store.queries import named


async def exchange_link(
    connection: AsyncConnection, link_token: str, *, session_seconds: int
) -> tuple[Session, Issued]:
    """Uses the link up in the same transaction, so that of two calls one wins."""
    row = (
        await connection.execute(named("login_link_use"), {"secret_sha256": digest(link_token)})
    ).one_or_none()
    if row is None:
        raise Unauthenticated(expired=True)
    issued = await issue(
        connection,
        CredentialKind.SESSION,
        tenant_id=row.tenant_id,
        member_id=row.member_id,
        seconds=session_seconds,
    )
    return Session(member_id=row.member_id, member_name=row.member_name, tenant_id=row.tenant_id), issued


async def describe_session(connection: AsyncConnection, principal: Principal) -> Session:
    row = (await connection.execute(named("member_find"), {"id": principal.member_id})).one_or_none()
    if row is None:
        raise Unauthenticated
    return Session(member_id=row.id, member_name=row.name, tenant_id=row.tenant_id)
