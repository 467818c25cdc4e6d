"""Issues are looked for from time to time, where their project asks for it."""

from typing import TYPE_CHECKING

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.issues.poll import request_issues
from pullyard.coordinator.news import errands_changed

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services


async def look_at_due_issues(services: "Services", due: list[list[str]]) -> None:
    """Pairs of tenant and project; each in a transaction of its own."""
    asked = False
    for tenant_id, project_id in due:
        with apart():
            async with services.database.transaction() as connection:
                seconds = services.settings.change_look_seconds
                asked |= await request_issues(connection, tenant_id, project_id, seconds)
    if asked:
        errands_changed(services)
