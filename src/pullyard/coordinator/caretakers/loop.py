"""One loop runs every caretaker, so that an idle coordinator asks the database one question at a time."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.caretakers.changes import look_at_due_changes
from pullyard.coordinator.caretakers.comparisons import hear_of_candidates
from pullyard.coordinator.caretakers.drift import repair_drift
from pullyard.coordinator.caretakers.due import enqueue_due_tasks
from pullyard.coordinator.caretakers.expire import remove_expired
from pullyard.coordinator.caretakers.issues import look_at_due_issues
from pullyard.coordinator.caretakers.leases import Absent, Attendance, give_grace, take_back_overdue
from pullyard.coordinator.caretakers.offline import mark_offline
from pullyard.coordinator.caretakers.task_lists import read_due_lists
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.schedules.fire import fire_due_schedules
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)


class Caretakers:
    """``wake`` for a round at the time that the next held task is due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wake = asyncio.Event()
        self._attendance = Attendance(clock)
        self._last_drift = 0.0

    @property
    def seconds_since_round(self) -> float:
        """Since the last round, or the last execution taken back in it, began; 0 before the first one."""
        return 0.0 if self._attendance.last_seen is None else self._attendance.seconds_missed()

    def wake(self) -> None:
        self._wake.set()

    async def run(self, services: "Services") -> None:
        """Until cancelled."""
        pause = 0.0
        while True:
            self._wake.clear()
            try:
                pause = await self.round(services)
            except Absent:
                logger.warning("the coordinator stood still")
                pause = 0.0
            except DATABASE_AWAY as error:
                logger.warning("caretakers wait for the database", error=type(error).__name__)
                pause = services.settings.caretaker_seconds
            except Exception:
                # Without leases nothing is ever taken back: a bug in one round must not end the rounds.
                logger.exception("a bug in a caretaker")
                pause = services.settings.caretaker_seconds
            await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        # Not wait_for: on Python 3.11 a cancellation in the moment of its timeout is lost, and so is the end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def round(self, services: "Services") -> float:
        """Look once after everything; returns the seconds until the next round is due."""
        structlog.contextvars.clear_contextvars()
        settings = services.settings
        now = self._clock()
        if not self._attendance.was_kept(services):
            await give_grace(services)
            self._attendance.last_seen = now
        async with services.database.transaction() as connection:
            look = (
                await connection.execute(
                    named("caretaker_look"), {"acknowledge_seconds": settings.acknowledge_seconds}
                )
            ).one()
        # A round that the database did not answer is none: its absence counts from the last one before.
        self._attendance.demand(services)
        self._attendance.last_seen = now
        changed = await take_back_overdue(services, self._attendance, look.expired, look.unacknowledged)
        changed |= await enqueue_due_tasks(services, look.due)
        changed |= await fire_due_schedules(services, look.schedules)
        changed |= await hear_of_candidates(services, look.candidates_ended)
        await read_due_lists(services, look.lists_due)
        await look_at_due_changes(services, look.changes_due)
        await look_at_due_issues(services, look.issues_due)
        if look.silent_workers:
            with apart():
                await mark_offline(services)
        if now - self._last_drift > settings.drift_seconds:
            self._last_drift = now
            with apart():
                changed |= await repair_drift(services)
            with apart():
                await remove_expired(services)
        if changed:
            queue_changed(services)
        next_due = settings.caretaker_seconds if look.next_due is None else float(look.next_due)
        return max(0.01, min(settings.caretaker_seconds, next_due))
