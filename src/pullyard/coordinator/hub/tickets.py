"""Single-use tickets for a WebSocket, whose browser can't set a header. Good at every replica."""

import secrets

from pullyard.coordinator.auth.credentials import CredentialKind, digest
from pullyard.coordinator.auth.identify import Principal
from pullyard.protocol.errors import RequestError
from pullyard.store.database import Database
from pullyard.store.queries import named

LASTS_SECONDS = 30.0
MAX_OPEN = 1000
"""Of one credential: who asks for more uses none of them."""


async def give_ticket(database: Database, principal: Principal) -> str:
    """Raises RequestError where too many are unused. Only its hash is kept, and expired ones are removed."""
    ticket = "pyl_ticket_" + secrets.token_urlsafe(32)
    async with database.transaction() as connection:
        given = await connection.scalar(
            named("ticket_give"),
            {
                "secret_sha256": digest(ticket),
                "credential_id": principal.credential_id,
                "seconds": LASTS_SECONDS,
                "max_open": MAX_OPEN,
            },
        )
    if not given:
        raise RequestError(
            "Use the tickets that you have, or wait until they expire.", code="too-many-tickets", status=429
        )
    return ticket


async def use_ticket(database: Database, ticket: str) -> Principal | None:
    """Whoever it was given to, once; None where it is unknown, used or expired, or its credential is."""
    async with database.transaction() as connection:
        row = (await connection.execute(named("ticket_use"), {"secret_sha256": digest(ticket)})).one_or_none()
    if row is None:
        return None
    return Principal(row.id, row.tenant_id, CredentialKind(row.kind), row.member_id, row.worker_id)
