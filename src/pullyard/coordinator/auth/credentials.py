"""Secrets are made here and kept nowhere: only their SHA-256 reaches the database."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle.ids import Kind, new_id
from pullyard.store.queries import named


class CredentialKind(StrEnum):
    LOGIN_LINK = "login-link"
    SESSION = "session"
    API = "api"
    EVENTS = "events"
    ENROLMENT = "enrolment"
    WORKER = "worker"


_PREFIXES = {
    CredentialKind.LOGIN_LINK: "pyl_login_",
    CredentialKind.SESSION: "pyl_sess_",
    CredentialKind.API: "pyl_api_",
    CredentialKind.EVENTS: "pyl_events_",
    CredentialKind.ENROLMENT: "pyl_enrol_",
    CredentialKind.WORKER: "pyl_work_",
}


@dataclass(frozen=True)
class Issued:
    """``secret`` is shown once; nobody can ask for it again."""

    id: str
    secret: str
    created_at: datetime
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"Issued(id={self.id!r})"


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


async def issue(
    connection: AsyncConnection,
    kind: CredentialKind,
    *,
    tenant_id: str,
    seconds: int | None,
    name: str = "",
    member_id: str | None = None,
    worker_id: str | None = None,
) -> Issued:
    """``seconds`` None makes one that does not expire. The database's clock decides."""
    secret = _PREFIXES[kind] + secrets.token_urlsafe(32)
    credential_id = new_id(Kind.CREDENTIAL)
    row = (
        await connection.execute(
            named("credential_issue"),
            {
                "id": credential_id,
                "tenant_id": tenant_id,
                "kind": kind,
                "name": name,
                "member_id": member_id,
                "worker_id": worker_id,
                "secret_sha256": digest(secret),
                "seconds": seconds,
            },
        )
    ).one()
    return Issued(credential_id, secret, row.created_at, row.expires_at)
