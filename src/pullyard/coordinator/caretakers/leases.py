"""Executions whose worker is gone, and grants that never arrived, go back into the queue."""

from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.executions.requeue import lose_execution
from pullyard.coordinator.log_fields import about_nothing
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.reasons import Reason
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)


async def give_grace(services: "Services") -> None:
    """One full lease for everybody: nothing expires because of the coordinator's own absence."""
    async with services.database.transaction() as connection:
        await connection.execute(named("leases_extend"), {"lease_seconds": services.settings.lease_seconds})
        reached("grace-before-commit")
    reached("grace-after-commit")


async def take_back_overdue(
    services: "Services", expired: list[list[str]], unacknowledged: list[list[str]]
) -> bool:
    """Pairs of tenant and execution; each in a transaction of its own. True where something changed."""
    changed = False
    for reason, pairs in ((Reason.LEASE_EXPIRED, expired), (Reason.GRANT_UNACKNOWLEDGED, unacknowledged)):
        for tenant_id, execution_id in pairs:
            about_nothing()
            async with services.database.transaction() as connection:
                taken = await lose_execution(
                    connection,
                    tenant_id,
                    execution_id,
                    reason,
                    acknowledge_seconds=services.settings.acknowledge_seconds,
                )
            if taken:
                reached("lose-after-commit")
                logger.warning("execution taken back", reason=reason.value)
                changed = True
    about_nothing()
    return changed
