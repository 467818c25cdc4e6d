"""A grant reaches the worker that asks again while the claim of its first question is under way."""

import asyncio

from sqlalchemy import text

from pullyard.coordinator.executions.claim import CLAIM_LOCK
from pullyard.coordinator.executions.dispatcher import Waiter
from tests.coordinator import RunningCoordinator

SAME = "the-same-question"
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
PATIENCE_SECONDS = 10
LOOK_SECONDS = 0.3


async def test_a_claim_for_a_poll_that_hung_up_goes_to_the_one_that_asks_again(
    coordinator: RunningCoordinator,
) -> None:
    services, worker = coordinator.served.services, await coordinator.worker()
    tenant_id, project_id = services.owner.tenant_id, await coordinator.project()
    async with services.database.transaction() as blocker:
        # Whoever claims waits for this transaction to end; the poll is given up meanwhile.
        await blocker.execute(LOCK, {"lock": CLAIM_LOCK})
        await coordinator.task(project_id)
        async with services.dispatcher.waiting(Waiter(tenant_id, worker.id, SAME, slots=1)):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await blocker.scalar(WAITING):
                    continue
        again = asyncio.create_task(worker.poll(wait=30, request_id=SAME))
        assert not (await asyncio.wait({again}, timeout=LOOK_SECONDS))[0]
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert len((await again).grants) == 1
