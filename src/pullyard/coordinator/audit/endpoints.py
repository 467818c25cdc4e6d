"""The audit log over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.paging import before, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.audit import AuditEntry
from pullyard.protocol.fields import Moment
from pullyard.protocol.resources import Page
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class AuditQuery(BaseModel):
    """Null matches everything."""

    model_config = ConfigDict(extra="ignore")

    member_id: str | None = Field(None, max_length=200)
    action: str | None = Field(None, max_length=500)
    target: str | None = Field(None, max_length=200)
    project_id: str | None = Field(None, max_length=200)
    since: Moment | None = None
    until: Moment | None = None
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)


@router.get("")
async def list_audit(
    person: Person, services: ServicesNeeded, query: Annotated[AuditQuery, Query()]
) -> Page[AuditEntry]:
    """Who did what, newest first. Entries are never changed and never removed."""
    wanted = {
        **query.model_dump(exclude={"cursor"}),
        "tenant_id": person.tenant_id,
        "before": before(query.cursor),
        "limit": query.limit + 1,
    }
    async with services.database.transaction() as connection:
        rows = (await connection.execute(named("audit_list"), wanted)).mappings().all()
    return page(rows, query.limit, AuditEntry.model_validate)
