"""Executions whose worker is gone, and grants that never arrived, go back into the queue."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.executions.requeue import lose_execution
from pullyard.coordinator.log_fields import about_nothing
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.reasons import Reason
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)


class Absent(Exception):
    """This process or the database stood still for so long that the workers could not renew their leases."""


class Attendance:
    """When this process and the database were last known to be there, in seconds of ``clock``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.last_seen: float | None = None

    def seconds_missed(self) -> float:
        return float("inf") if self.last_seen is None else self.clock() - self.last_seen

    def was_kept(self, services: "Services") -> bool:
        settings = services.settings
        return self.seconds_missed() <= settings.caretaker_seconds + settings.lease_seconds / 3

    def demand(self, services: "Services") -> None:
        """Raises Absent. What was read before is then no reason to take anything back."""
        if not self.was_kept(services):
            raise Absent


async def give_grace(services: "Services") -> None:
    """One full lease for everybody: nothing expires because of the coordinator's own absence."""
    async with services.database.transaction() as connection:
        await connection.execute(named("leases_extend"), {"lease_seconds": services.settings.lease_seconds})
        reached("grace-before-commit")
    reached("grace-after-commit")


async def take_back_overdue(
    services: "Services",
    attendance: Attendance,
    expired: list[list[str]],
    unacknowledged: list[list[str]],
) -> bool:
    """Pairs of tenant and execution; each in a transaction of its own. True where something changed.

    Raises Absent where time went missing between the look and the taking: a process may be stopped anywhere.
    """
    changed = False
    for reason, pairs in ((Reason.LEASE_EXPIRED, expired), (Reason.GRANT_UNACKNOWLEDGED, unacknowledged)):
        for tenant_id, execution_id in pairs:
            about_nothing()
            with apart(Absent):
                changed |= await take_back(services, attendance, (tenant_id, execution_id), reason)
    about_nothing()
    return changed


async def take_back(
    services: "Services", attendance: Attendance, whose: tuple[str, str], reason: Reason
) -> bool:
    begun = attendance.clock()
    async with services.database.transaction() as connection:
        taken = await lose_execution(
            connection, *whose, reason, acknowledge_seconds=services.settings.acknowledge_seconds
        )
        attendance.demand(services)
    attendance.last_seen = begun
    if taken:
        reached("lose-after-commit")
        logger.warning("execution taken back", reason=reason.value)
    return taken
