"""Nothing is lost because the coordinator itself stood still, wherever in its round that was."""

import pytest
from sqlalchemy import text

from pullyard.coordinator.caretakers.leases import Absent
from pullyard.coordinator.caretakers.loop import Caretakers
from tests.coordinator import running_coordinator

# So long that the coordinator's own caretakers do nothing.
NEVER = 1_000_000.0
SILENT = "UPDATE workers SET lease_expires_at = now() - interval '1 second'"
LIVE = "SELECT count(*) FROM task_executions WHERE finished_at IS NULL"


class Clock:
    """Jumps by a long time before the reading of that number, counted from the last ``jump_before``."""

    def __init__(self) -> None:
        self.now = 0.0
        self.readings = 0
        self.jump_at: int | None = None

    def jump_before(self, reading: int) -> None:
        self.readings, self.jump_at = 0, reading

    def __call__(self) -> float:
        self.readings += 1
        if self.readings == self.jump_at:
            self.now += 3 * NEVER
        return self.now


@pytest.mark.parametrize("reading", range(1, 6))
async def test_a_process_that_is_stopped_within_its_round_takes_nothing_back(
    database_url: str, reading: int
) -> None:
    waits = {"caretaker_seconds": NEVER, "drift_seconds": NEVER, "slow_poll_seconds": NEVER}
    async with running_coordinator(database_url, **waits) as coordinator:
        services = coordinator.served.services
        clock = Clock()
        caretakers = Caretakers(clock)
        worker = await coordinator.worker()
        await coordinator.task(await coordinator.project())
        await worker.claim()
        await caretakers.round(services)

        async def rows(statement: str) -> int:
            async with services.database.transaction() as connection:
                result = await connection.execute(text(statement))
                return result.scalar_one() if result.returns_rows else 0

        await rows(SILENT)
        clock.jump_before(reading)
        try:
            await caretakers.round(services)
        except Absent:
            await caretakers.round(services)
        assert clock.readings >= reading
        assert await rows(LIVE) == 1

        await rows(SILENT)
        await caretakers.round(services)
        assert await rows(LIVE) == 0
