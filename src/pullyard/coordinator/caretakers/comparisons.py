"""Comparisons are told of candidates that have ended, however they ended."""

from typing import TYPE_CHECKING

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.comparisons.hear import hear_endings
from pullyard.coordinator.news import errands_changed

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services


async def hear_of_candidates(services: "Services", due: list[list[str]]) -> bool:
    """Pairs of tenant and comparison; each in a transaction of its own. True where there was one."""
    for tenant_id, comparison_id in due:
        with apart():
            async with services.database.transaction() as connection:
                await hear_endings(connection, tenant_id, comparison_id)
    if due:
        errands_changed(services)
    return bool(due)
