"""Who did what, as people read it."""

from datetime import datetime
from typing import Any

from pydantic import Field

from pullyard.protocol.resources import Resource


class AuditEntry(Resource):
    id: str
    member_id: str | None = Field(description="who; null for a deed of nobody in particular")
    credential_id: str | None = Field(description="the session or token that was used")
    action: str = Field(description="method and address, such as `POST /api/v1/tasks/{task_id}/cancel`")
    target: str | None = Field(description="the id of what was changed or made")
    project_id: str | None
    details: dict[str, Any] = Field(description="names of the fields that were sent, and reasons given")
    request_id: str = Field(description="the same as in the coordinator's log")
    address: str = Field(description="the caller's network address")
    at: datetime
