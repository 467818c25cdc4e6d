"""Task lists are looked at again from time to time, for as long as their project's automation runs."""

from contextlib import suppress
from typing import TYPE_CHECKING

from pullyard.coordinator.automation.list_errands import request_list
from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.news import errands_changed
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.protocol.errors import RequestError

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services


async def read_due_lists(services: "Services", due: list[list[str]]) -> None:
    """Pairs of tenant and project; each in a transaction of its own."""
    for tenant_id, project_id in due:
        # The project is gone since we looked, or it follows no list any more: nothing is due then.
        with apart(), suppress(RequestError):
            async with services.database.transaction() as connection:
                await lock_project(connection, tenant_id, project_id)
                await request_list(connection, tenant_id, project_id)
    if due:
        errands_changed(services)
