"""Collects the waiting long-polls of this replica and claims for all of them together."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.errands.claim import claim_errands
from pullyard.coordinator.executions.claim import CLAIM_LOCK, CLAIM_LOCK_STATEMENT, Slot, claim_tasks
from pullyard.coordinator.news import events_written
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.versions import OLDEST_PROTOCOL_VERSION
from pullyard.protocol.worker import ClaimAnswer, Errand, Grant
from pullyard.store.database import Database
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.hot import HotConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)
# Of one claim; where more is wanted another one follows at once.
MOST_SLOTS = 200


@dataclass(eq=False)
class Waiter:
    """One long-poll. ``answer`` is set when there is something; a cancelled one is passed over."""

    tenant_id: str
    worker_id: str
    request_id: str
    labels: tuple[str, ...] = ()
    slots: int = 0
    protocol_version: int = OLDEST_PROTOCOL_VERSION
    offered: bool = False
    """A claim for it is under way, so that it can't be answered with nothing before that is over."""
    late: bool = False
    answer: asyncio.Future[ClaimAnswer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def give_up(self) -> None:
        """Answered with nothing, where it is not answered yet; while a claim is under way, after that."""
        self.late = True
        if not self.offered and not self.answer.done():
            self.answer.set_result(ClaimAnswer())

    @property
    def group(self) -> tuple[str, tuple[str, ...]]:
        """One claim is for the waiters of one group."""
        return self.tenant_id, self.labels

    def is_again(self, other: "Waiter") -> bool:
        """Whether this is the same question, asked again after its first connection was given up."""
        return (self.worker_id, self.request_id) == (other.worker_id, other.request_id)


@dataclass
class Enqueuing:
    connection: AsyncConnection
    granted: set[str] = field(default_factory=set)
    """The tasks that were given out in the same commit; empty until the transaction is over."""


class Dispatcher:
    """``wake`` when something may have become claimable; it costs nothing while nobody waits."""

    def __init__(self, database: Database, settings: CoordinatorSettings) -> None:
        self._database = database
        self._settings = settings
        self._waiting: dict[Waiter, None] = {}
        self._wake = asyncio.Event()
        self._errands = True
        self.on_claim: Callable[[float, list[Grant]], None] = unheard
        """Is told of each claim once it is committed: its seconds in the database, and what it gave."""
        # One claim at a time: a waiter that is offered to two would be given twice its slots.
        self._claiming = asyncio.Lock()
        self._stopping = False
        self._claim_seconds = 0.0

    @property
    def waiting_count(self) -> int:
        """Long-polls of this replica."""
        return len(self._waiting)

    def wake(self, *, errands: bool = False) -> None:
        """``errands`` says that there may be a merge or a close to do, too."""
        self._errands = self._errands or errands
        self._wake.set()

    @asynccontextmanager
    async def waiting(self, waiter: Waiter) -> "AsyncIterator[asyncio.Future[ClaimAnswer]]":
        """While the block runs the waiter may be given work; when it ends it is given none any more.

        Where the same question was asked before and still waits, that one is answered with nothing: its
        connection is given up or is about to be, and two of them would be given twice the slots.
        """
        for other in [one for one in self._waiting if one.is_again(waiter)]:
            self._hand_over(other, ClaimAnswer())
        self._waiting[waiter] = None
        if self._stopping:
            waiter.give_up()
        try:
            yield waiter.answer
        finally:
            self._waiting.pop(waiter, None)

    @asynccontextmanager
    async def enqueuing(self, tenant_id: str, labels: Iterable[str]) -> "AsyncIterator[Enqueuing]":
        """A transaction that puts a task into the queue; ``labels`` are what the task itself needs.

        Where a worker that has them waits, and no claim is under way, the claim is a part of the transaction:
        the way from the wish to the grant then takes one commit and not two. It is the same claim as any, so
        that it may give out what has its turn before the new task.
        """
        if self._database.is_joined:
            # What is a part of a whole request is not to be handed out before all of that is committed.
            async with self._database.transaction() as whole:
                yield Enqueuing(whole)
            return
        needed = frozenset(labels)
        ending = self.ending_with_claim(lambda one: one.tenant_id == tenant_id and needed <= {*one.labels})
        async with ending as (driver, granted):
            enqueuing = Enqueuing(cast("AsyncConnection", HotConnection(driver)))
            yield enqueuing
        enqueuing.granted = granted

    @asynccontextmanager
    async def ending_with_claim(
        self, fits: Callable[[Waiter], bool]
    ) -> "AsyncIterator[tuple[Any, set[str]]]":
        """A transaction that ends with a claim for the waiters that fit, where no claim is under way.

        Gives the driver's connection, and what will hold the ids of the tasks that were given out with it.
        """
        given: dict[Waiter, list[Grant]] = {}
        granted: set[str] = set()
        async with AsyncExitStack() as until_delivered:
            async with self._database.hot.transaction() as driver:
                yield driver, granted
                if not self._claiming.locked():
                    await until_delivered.enter_async_context(self._claiming)
                    waiters = self._able(fits)
                    if waiters:
                        until_delivered.enter_context(offering(waiters))
                        given = await self._claim_if_possible(driver, waiters)
            if given:
                self._deliver(given)
        granted.update(grant.task.id for grants in given.values() for grant in grants)

    def _able(self, fits: Callable[[Waiter], bool]) -> list[Waiter]:
        """The open waiters that fit and can be claimed for together."""
        able = [one for one in self._waiting if fits(one) and one.slots > 0 and self._is_open(one)]
        return [one for one in able if one.group == able[0].group]

    async def _claim_if_possible(self, driver: Any, waiters: list[Waiter]) -> dict[Waiter, list[Grant]]:
        """A claim that fails costs nobody what the transaction did before: there will be another one."""
        try:
            await driver.execute(f"SAVEPOINT claim; {CLAIM_LOCK_STATEMENT}")
            return await self._claim(driver, waiters[0].tenant_id, waiters[0].labels, waiters)
        except DATABASE_AWAY as error:
            logger.warning("claim failed", error=type(error).__name__, reason=str(error)[:300])
        except Exception:
            logger.exception("a bug in a claim")
        await driver.execute("ROLLBACK TO SAVEPOINT claim")
        return {}

    async def run(self, services: "Services") -> None:
        """Until cancelled. The slow poll is for work that another replica made and whose word got lost."""
        while True:
            try:
                # Not wait_for: on Python 3.11 a cancellation in the moment of its timeout is lost.
                async with asyncio.timeout(self._settings.slow_poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                self._errands = True
            self._wake.clear()
            if not self._waiting:
                continue
            try:
                if await self._serve():
                    events_written(services)
            except DATABASE_AWAY as error:
                # The waiters stay; the slow poll tries again, for errands too.
                self._errands = True
                logger.warning("claim failed", error=type(error).__name__, reason=str(error)[:300])
            except Exception:
                # One row that can't be read must not keep every other worker from its work for ever.
                logger.exception("a bug in a claim")

    async def _serve(self) -> bool:
        """True where something was claimed."""
        claimed = False
        groups: dict[tuple[str, tuple[str, ...]], list[Waiter]] = defaultdict(list)
        for waiter in self._waiting:
            groups[waiter.group].append(waiter)
        errands, self._errands = self._errands, False
        for (tenant_id, labels), waiters in groups.items():
            if errands:
                await self._give_errands(tenant_id, waiters)
            while open_waiters := [one for one in waiters if one.slots > 0 and self._is_open(one)]:
                if not await self._give_tasks(tenant_id, labels, open_waiters):
                    claimed |= await self._give_avoiding(tenant_id, labels, open_waiters)
                    break
                claimed = True
        return claimed

    async def _give_errands(self, tenant_id: str, waiters: list[Waiter]) -> None:
        # In turn with the claims: one that is answered meanwhile would lose what it is given here.
        async with self._claiming:
            waiters = [one for one in waiters if self._is_open(one)]
            if not waiters:
                return
            with offering(waiters):
                given = await self._claim_errands(tenant_id, waiters)
                for waiter in waiters:
                    if errands := given.pop(waiter.worker_id, []):
                        self._hand_over(waiter, ClaimAnswer(errands=errands))

    async def _claim_errands(self, tenant_id: str, waiters: list[Waiter]) -> dict[str, list[Errand]]:
        """By their workers."""
        given: dict[str, list[Errand]] = {}
        async with self._database.transaction() as connection:
            for version in sorted({waiter.protocol_version for waiter in waiters}):
                able = [one for one in waiters if one.protocol_version == version]
                given |= await claim_errands(
                    connection,
                    tenant_id=tenant_id,
                    worker_ids=[one.worker_id for one in able],
                    request_ids=[one.request_id for one in able],
                    protocol_version=version,
                    again_seconds=self._settings.errand_seconds,
                )
        return given

    async def _give_tasks(self, tenant_id: str, labels: tuple[str, ...], waiters: list[Waiter]) -> bool:
        async with self._claiming:
            # One that was answered while this claim waited for its turn would lose what it is given now.
            waiters = [one for one in waiters if self._is_open(one)]
            if not waiters:
                return False
            with offering(waiters):
                async with self._database.hot.transaction(lock=CLAIM_LOCK) as connection:
                    given = await self._claim(connection, tenant_id, labels, waiters)
                    if given:
                        reached("claim-before-commit")
                if given:
                    reached("claim-after-commit")
                self._deliver(given)
        return bool(given)

    async def _claim(
        self, connection: Any, tenant_id: str, labels: tuple[str, ...], waiters: list[Waiter]
    ) -> dict[Waiter, list[Grant]]:
        slots = list(islice(in_turn(waiters), MOST_SLOTS))
        began = time.perf_counter()
        pairs = await claim_tasks(
            connection,
            tenant_id=tenant_id,
            labels=labels,
            slots=[Slot(waiter.worker_id, waiter.request_id) for waiter in slots],
            max_running=self._settings.max_running,
            lease_seconds=self._settings.lease_seconds,
        )
        given: dict[Waiter, list[Grant]] = defaultdict(list)
        for place, grant in pairs:
            given[slots[place]].append(grant)
        self._claim_seconds = time.perf_counter() - began
        return given

    def _deliver(self, given: dict[Waiter, list[Grant]]) -> None:
        self.on_claim(self._claim_seconds, [grant for grants in given.values() for grant in grants])
        for waiter, grants in given.items():
            log_grants(waiter.worker_id, grants)
            self._hand_over(waiter, ClaimAnswer(grants=grants))

    async def _give_avoiding(self, tenant_id: str, labels: tuple[str, ...], waiters: list[Waiter]) -> bool:
        """What one of these workers failed at or refused is for the others; a claim for all passes it by."""
        worker_ids = sorted({waiter.worker_id for waiter in waiters})
        if len(worker_ids) == 1:
            return False
        wanted = {"tenant_id": tenant_id, "worker_ids": worker_ids}
        claimed = False
        for row in await self._database.hot.fetch("avoided_workers", wanted):
            others = [one for one in waiters if one.worker_id not in row.worker_ids and self._is_open(one)]
            claimed |= bool(others) and await self._give_tasks(tenant_id, labels, others)
        return claimed

    def _is_open(self, waiter: Waiter) -> bool:
        return waiter in self._waiting and not waiter.answer.done()

    def _hand_over(self, waiter: Waiter, answer: ClaimAnswer) -> None:
        """A poll that went away during the claim gives place to the one that its worker asks again with.

        Where there is none yet, the worker gets its grants by asking.
        """
        if not self._is_open(waiter):
            again = (one for one in self._waiting if one.is_again(waiter) and self._is_open(one))
            waiter = next(again, waiter)
        self._waiting.pop(waiter, None)
        if not waiter.answer.done():
            waiter.answer.set_result(answer)

    def stop(self) -> None:
        """Every poll is answered, and those to come are, too: the process is about to end."""
        self._stopping = True
        for waiter in self._waiting:
            waiter.give_up()


@contextmanager
def offering(waiters: list[Waiter]) -> Iterator[None]:
    """A poll whose time is over during the claim waits for it: what it was given would be lost otherwise."""
    for waiter in waiters:
        waiter.offered = True
    try:
        yield
    finally:
        for waiter in waiters:
            waiter.offered = False
            if waiter.late:
                waiter.give_up()


def unheard(_seconds: float, _grants: list[Grant]) -> None:
    """Nobody listens."""


def log_grants(worker_id: str, grants: list[Grant]) -> None:
    for grant in grants:
        logger.info(
            "task granted",
            correlation_id=grant.correlation_id,
            project_id=grant.project_id,
            task_id=grant.task.id,
            execution_id=grant.execution_id,
            worker_id=worker_id,
        )


def in_turn(waiters: list[Waiter]) -> Iterable[Waiter]:
    """A slot of each, then a second of each, and so on: work spreads over the workers."""
    for number in range(max(waiter.slots for waiter in waiters)):
        yield from (waiter for waiter in waiters if waiter.slots > number)
