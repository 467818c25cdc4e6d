"""A grant reaches the worker that asks again while the claim of its first question is under way."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from pullyard.coordinator.executions.claim import CLAIM_LOCK, Slot, claim_tasks
from pullyard.coordinator.executions.dispatcher import Waiter
from tests.coordinator import RunningCoordinator, running_coordinator

SAME = "the-same-question"
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
PATIENCE_SECONDS = 60


@pytest.fixture
async def prompt(database_url: str) -> AsyncIterator[RunningCoordinator]:
    """Claims where there is a reason to, and not by a slow poll in the middle of a test."""
    async with running_coordinator(database_url, slow_poll_seconds=3600) as running:
        yield running


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
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not services.dispatcher.waiting_count:
                assert not again.done()
                await blocker.scalar(WAITING)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert len((await again).grants) == 1


async def test_a_poll_whose_time_is_over_during_its_claim_gets_what_it_was_given(
    coordinator: RunningCoordinator,
) -> None:
    services, worker = coordinator.served.services, await coordinator.worker()
    tenant_id, project_id = services.owner.tenant_id, await coordinator.project()
    # There before anybody waits, so that the first claim that waits for the lock is one that finds it.
    await coordinator.task(project_id)
    async with services.database.transaction() as blocker:
        await blocker.execute(LOCK, {"lock": CLAIM_LOCK})
        waiter = Waiter(tenant_id, worker.id, SAME, slots=1)
        async with services.dispatcher.waiting(waiter) as answer:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await blocker.scalar(WAITING):
                    continue
            waiter.give_up()
            await blocker.rollback()
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert len((await answer).grants) == 1


async def test_a_claim_that_waited_its_turn_gives_nothing_to_a_poll_that_was_answered_meanwhile(
    prompt: RunningCoordinator,
) -> None:
    services, worker = prompt.served.services, await prompt.worker("gpu")
    polling = asyncio.create_task(worker.poll(wait=30))
    async with services.database.transaction() as blocker:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not services.dispatcher.waiting_count:
                await blocker.scalar(WAITING)
        # Meanwhile the claim that the poll came with is over.
        one, other = await prompt.project(), await prompt.project()
        await blocker.execute(LOCK, {"lock": CLAIM_LOCK})
        # The first task's claim is a part of its own commit; that for the second waits for its turn. Those of
        # one project, or for the same workers, would wait for each other before.
        first = asyncio.create_task(prompt.task(one))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await blocker.scalar(WAITING):
                assert not first.done()
        second = await prompt.task(other, labels=["gpu"])
    granted = [grant.task.id for grant in (await polling).grants]
    assert granted == [(await first)["id"]]
    assert [grant.task.id for grant in (await worker.poll(wait=10)).grants] == [second["id"]]


@pytest.mark.parametrize("by_post", [False, True])
async def test_a_claim_counts_what_another_one_has_not_committed_yet(
    database_url: str,
    by_post: bool,  # noqa: FBT001
) -> None:
    """As another replica's would be. Without the lock both would find room for one and take it."""
    async with running_coordinator(database_url, max_running=1) as coordinator:
        services, worker = coordinator.served.services, await coordinator.worker()
        tenant_id, project_id = services.owner.tenant_id, await coordinator.project(max_running=5)
        further = await coordinator.project()
        await coordinator.task(project_id)
        await coordinator.task(further)
        async with (
            services.database.transaction() as looker,
            services.database.hot.transaction(lock=CLAIM_LOCK) as other,
        ):
            first = await claim_tasks(
                other,
                tenant_id=tenant_id,
                labels=[],
                slots=[Slot(worker.id, "other")],
                max_running=1,
                lease_seconds=30,
            )
            waiter = Waiter(tenant_id, worker.id, SAME, slots=1)
            async with services.dispatcher.waiting(waiter) as answer:
                making = asyncio.create_task(coordinator.task(further)) if by_post else None
                if not by_post:
                    services.dispatcher.wake()
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not await looker.scalar(WAITING):
                        assert not answer.done()
                waiter.give_up()
                await other.execute("COMMIT; BEGIN")
                assert not (await answer).grants
        if making is not None:
            await making
        assert len(first) == 1
