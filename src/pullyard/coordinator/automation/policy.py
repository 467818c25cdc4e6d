"""A project's automation as it is stored: its state, and what its people decided about errors."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.resources import AutomationPolicy
from pullyard.store.queries import named


async def read_automation(connection: AsyncConnection, tenant_id: str, project_id: str) -> Any:
    parameters = {"tenant_id": tenant_id, "project_id": project_id}
    row = (await connection.execute(named("automation_row"), parameters)).one_or_none()
    if row is None:
        raise NotFound("project")
    return row


def policy_of(project: Any) -> AutomationPolicy:
    """Projects of before there were policies have the defaults."""
    return AutomationPolicy.model_validate(project.automation_policy)
