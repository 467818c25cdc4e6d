"""Who did what. One function writes it, in the transaction of the deed itself."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.store.queries import named

_details: ContextVar[dict[str, Any] | None] = ContextVar("audit_details", default=None)


@dataclass(frozen=True)
class Deed:
    """``details`` name what was changed, never a value that may be a secret."""

    caller: Principal
    action: str
    """Method and address, such as ``POST /api/v1/tasks/{task_id}/cancel``."""
    target: str | None
    project_id: str | None = None
    address: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def deed_of(
    scope: Mapping[str, Any], caller: Principal, *, target: str | None, details: dict[str, Any]
) -> Deed:
    """``scope`` is the ASGI scope of a request that was routed."""
    places: dict[str, str] = scope.get("path_params", {})
    route = getattr(scope.get("route"), "path", scope["path"])
    client = scope.get("client")
    return Deed(
        caller=caller,
        action=f"{scope.get('method', 'WEBSOCKET')} {route}",
        target=target or next(reversed(places.values()), None),
        project_id=places.get("project_id"),
        address=client[0] if client else "",
        details=details,
    )


def note(**details: Any) -> None:
    """Adds to the entry of the request that is being answered, such as the reason that a person gave."""
    notes = _details.get()
    if notes is not None:
        notes.update(details)


def begin_notes() -> dict[str, Any]:
    """What ``note`` adds to from here on, in this request."""
    notes: dict[str, Any] = {}
    _details.set(notes)
    return notes


async def record(connection: AsyncConnection, deed: Deed) -> None:
    """Nobody changes or removes an entry; the table itself refuses both."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    await connection.execute(
        named("audit_write"),
        {
            "id": new_id(Kind.AUDIT),
            "tenant_id": deed.caller.tenant_id,
            "member_id": deed.caller.member_id,
            "credential_id": deed.caller.credential_id,
            "action": deed.action,
            "target": deed.target,
            "project_id": deed.project_id,
            "details": deed.details,
            "request_id": request_id,
            "address": deed.address,
        },
    )
