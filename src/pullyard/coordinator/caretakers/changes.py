"""Changes are looked at on their forges from time to time, because not every forge can reach us to tell."""

from typing import TYPE_CHECKING

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.changes.look import request_look
from pullyard.coordinator.news import errands_changed

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services


async def look_at_due_changes(services: "Services", due: list[list[str]]) -> None:
    """Pairs of tenant and change; each in a transaction of its own."""
    seconds = services.settings.change_look_seconds
    asked = False
    for tenant_id, change_id in due:
        with apart():
            async with services.database.transaction() as connection:
                asked |= await request_look(connection, tenant_id, change_id, seconds)
    if asked:
        errands_changed(services)
