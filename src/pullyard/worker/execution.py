"""One execution from grant to acknowledged end: the phases in order, and salvage before any teardown."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

import structlog

from pullyard.agents.protocol import AgentMissing
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import LostLease, PullyardError
from pullyard.protocol.worker import FinishRequest, PublishedChange
from pullyard.sandboxes.protocol import SandboxUnavailable
from pullyard.worker.client import until_answered
from pullyard.worker.context import Context, Tools
from pullyard.worker.failures import PhaseFailed, Stopped, as_failure
from pullyard.worker.implement import implement
from pullyard.worker.journal import Journal
from pullyard.worker.logs import LogShipper, ship
from pullyard.worker.prepare import prepare, reopen
from pullyard.worker.publish import publish
from pullyard.worker.reports import PhaseReports
from pullyard.worker.rescue import rescue
from pullyard.worker.stop import Stop
from pullyard.worker.threads import in_thread
from pullyard.worker.verify import verify

ResultT = TypeVar("ResultT")

logger = structlog.get_logger(__name__)

TEARDOWN_SECONDS = 60.0
TIMEOUTS = {
    Phase.PREPARE: Reason.PHASE_TIMED_OUT,
    Phase.IMPLEMENT: Reason.AGENT_TIMED_OUT,
    Phase.VERIFY: Reason.VERIFY_TIMED_OUT,
    Phase.PUBLISH: Reason.PHASE_TIMED_OUT,
}


class Execution:
    """``run`` once. ``stop`` may be requested at any time, from the heartbeat or by a drain."""

    def __init__(self, tools: Tools, journal: Journal, *, recovered: bool) -> None:
        record = journal.record
        self.id = record.grant.execution_id
        self.fence = record.grant.fence
        self.slot = record.slot
        self.stop = Stop()
        self.watched = False
        self._recovered = recovered
        self._context = Context(tools=tools, journal=journal, stop=self.stop)
        self._reports = PhaseReports(tools.client, self.id, self.fence, self.stop)
        self._phase_now = Phase.PREPARE

    async def run(self) -> None:
        grant = self._context.grant
        structlog.contextvars.bind_contextvars(
            execution_id=self.id,
            task_id=grant.task.id,
            project_id=grant.project_id,
            correlation_id=grant.correlation_id,
        )
        shipping = asyncio.create_task(ship(self._shipper))
        reporting = asyncio.create_task(self._reports.run())
        try:
            for phase in self._context.record.begun_phases() if self._recovered else ():
                self._reports.begin(phase)
            await self._decide()
            self._shipper.complete()
            await self._deliver(shipping)
            await in_thread(self._context.close)
        finally:
            reporting.cancel()
            shipping.cancel()
            await asyncio.gather(reporting, shipping, return_exceptions=True)

    @cached_property
    def _shipper(self) -> LogShipper:
        return LogShipper(
            self._context.tools.client,
            self._context.told_directory(),
            execution_id=self.id,
            fence=self.fence,
            limit_bytes=self._context.tools.settings.log_limit_bytes,
            watched=lambda: self.watched,
        )

    async def _decide(self) -> None:
        """Come to an end, whatever it is, and write it down before anybody is told."""
        record = self._context.record
        if record.finish is not None:
            return
        try:
            change = await self._walk()
            finish = self._finish(None, "", change=change)
        except Stopped as stopped:
            finish = await self._failed(stopped.reason or Reason.LEASE_EXPIRED, stopped.message)
        except (PullyardError, AgentMissing, SandboxUnavailable, OSError) as error:
            failure = as_failure(error)
            finish = await self._failed(failure.reason, failure.message)
        except Exception:
            logger.exception("a bug ended the execution")
            finish = await self._failed(Reason.WORKER_BUG, "The worker met a bug; its own log says where.")
        record.finish = finish
        try:
            self._context.journal.save()
        except OSError as error:
            # A full disk must not keep the coordinator from being told.
            logger.warning("the end is not on disk", problem=str(error))

    async def _walk(self) -> PublishedChange:
        context = self._context
        limits = context.grant.limits
        if context.record.harvested is None:
            if self._recovered:
                raise Stopped(Reason.INTERRUPTED, "The worker was restarted while the agent was at work.")
            await self._phase(Phase.PREPARE, limits.prepare_seconds, prepare)
            await self._phase(Phase.IMPLEMENT, limits.implement_seconds, implement)
        else:
            await self.stop.race(reopen(context))
        if context.record.receipt is None:
            # The commands have the limit for themselves; the checkout before them gets its own time.
            await self._phase(Phase.VERIFY, limits.verify_seconds + limits.prepare_seconds, verify)
        return await self._phase(Phase.PUBLISH, limits.publish_seconds, publish)

    async def _phase(
        self, phase: Phase, limit_seconds: float, work: Callable[[Context], Awaitable[ResultT]]
    ) -> ResultT:
        self._phase_now = phase
        self._reports.begin(phase)
        self._shipper.hurry()
        began = time.monotonic()

        async def limited() -> ResultT:
            async with asyncio.timeout(limit_seconds):
                return await work(self._context)

        try:
            return await self.stop.race(limited())
        except TimeoutError:
            raise PhaseFailed(
                TIMEOUTS[phase],
                f"The phase '{phase}' took longer than its limit of {limit_seconds:g} seconds.",
            ) from None
        finally:
            self._context.record.phase_seconds[phase] = round(time.monotonic() - began, 4)

    async def _failed(self, reason: Reason, message: str) -> FinishRequest:
        salvage_ref = None
        try:
            self._context.log(self._phase_now).line(message)
            async with asyncio.timeout(TEARDOWN_SECONDS):
                salvage_ref = await rescue(self._context)
        except Exception as error:
            # Even a bug here must not keep the coordinator from being told the end.
            logger.exception("salvage failed, the directory is kept", problem=str(error))
            self._context.keep_directory = True
        return self._finish(reason, message, salvage_ref=salvage_ref)

    def _finish(
        self,
        reason: Reason | None,
        message: str,
        *,
        change: PublishedChange | None = None,
        salvage_ref: str | None = None,
    ) -> FinishRequest:
        record = self._context.record
        return FinishRequest(
            fence=self.fence,
            reason=reason,
            message=message,
            change=change,
            receipt=record.receipt,
            phase_seconds=record.phase_seconds,
            usage=record.usage,
            salvage_ref=salvage_ref,
            facts=self._context.facts,
        )

    async def _deliver(self, shipping: asyncio.Task[None]) -> None:
        """Send the rest of the log, then the end; wait out a coordinator that is away."""
        finish = self._context.record.finish
        assert finish is not None

        async def deliver() -> None:
            await shipping
            await self._reports.sent()
            await until_answered(lambda: self._context.tools.client.finish(self.id, finish))

        delivering = asyncio.ensure_future(deliver())
        lost = asyncio.ensure_future(self.stop.lost.wait())
        try:
            await asyncio.wait({delivering, lost}, return_when=asyncio.FIRST_COMPLETED)
            if delivering.done():
                delivering.result()
                return
            logger.warning("given up: the execution is no longer this worker's")
        except LostLease:
            logger.warning("refused: the execution is no longer this worker's")
        except PullyardError as error:
            logger.exception("the end was refused", code=error.code)
        finally:
            lost.cancel()
            delivering.cancel()
            with suppress(asyncio.CancelledError, PullyardError):
                await delivering
