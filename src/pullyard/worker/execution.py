"""One execution from grant to acknowledged end: its walk, and salvage before any teardown."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

import msgspec
import structlog

from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import LostLease, PullyardError
from pullyard.protocol.worker import ClaimAnswer, FinishRequest
from pullyard.telemetry.tracer import current
from pullyard.worker.client import CALL_SECONDS, until_answered
from pullyard.worker.context import Context, Tools
from pullyard.worker.effects import EFFECTS
from pullyard.worker.failures import Stopped, as_failure
from pullyard.worker.journal import Journal
from pullyard.worker.kept import tell_saved
from pullyard.worker.logs import LogShipper, ship
from pullyard.worker.reports import Reports
from pullyard.worker.stop import Stop
from pullyard.worker.threads import in_thread
from pullyard.worker.walk import FAILURES, Effects, Walk

logger = structlog.get_logger(__name__)

TEARDOWN_SECONDS = 60.0


class Execution:
    """``run`` once. ``stop`` may be requested at any time, from the heartbeat or by a drain."""

    def __init__(
        self, tools: Tools, journal: Journal, *, recovered: bool, effects: Effects = EFFECTS
    ) -> None:
        record = journal.record
        self.id = record.grant.execution_id
        self.fence = record.grant.fence
        self.slot = record.slot
        self.stop = Stop()
        self.watched = False
        self.next_request_id: Callable[[], str | None] = nothing_more
        """Asked at the end: under which id its worker would have another execution in its place."""
        self.on_given: Callable[[ClaimAnswer], None] = unheard
        """Is told what the coordinator gave for it."""
        self._recovered = recovered
        self._context = Context(tools=tools, journal=journal, stop=self.stop)
        self.answers = self._context.answers
        self.share = self._context.share
        self._effects = effects
        self._reports = Reports(tools.client, self.id, self.fence, self.stop)
        self.answers.ask = self._reports.ask

    async def run(self) -> None:
        refusal = self._context.ask_policy()
        grant = self._context.grant
        structlog.contextvars.bind_contextvars(
            execution_id=self.id,
            task_id=grant.task.id,
            project_id=grant.project_id,
            correlation_id=grant.correlation_id,
        )
        # What is sent from here on belongs to the trace; the tasks that are made now inherit it.
        if self._context.tools.tracer.enabled:
            current.set(self._context.traceparent)
        shipping = asyncio.create_task(ship(self._shipper))
        reporting = asyncio.create_task(self._reports.run())
        try:
            if self._recovered:
                self._tell_again()
            await self._decide(refusal)
            self._shipper.complete()
            if not await self._deliver(shipping):
                await self._tell_saved()
            await in_thread(self._context.close)
            reached("execution-forgotten")
        finally:
            reporting.cancel()
            shipping.cancel()
            await asyncio.gather(reporting, shipping, return_exceptions=True)

    @property
    def unsaved(self) -> bool:
        """Whether its directory stays because of work that nobody else has."""
        return self._context.record.unsaved

    @cached_property
    def _shipper(self) -> LogShipper:
        return LogShipper(
            self._context.tools.client,
            self._context.told_directory(),
            execution_id=self.id,
            fence=self.fence,
            limit_bytes=self._context.tools.settings.log_limit_bytes,
            watched=lambda: self.watched,
            masker=self._context.tools.masker,
        )

    async def _decide(self, refusal: PullyardError | OSError | None) -> None:
        """Come to an end, whatever it is, and write it down before anybody is told."""
        record = self._context.record
        if record.finish is not None:
            return
        try:
            if refusal is not None:
                raise refusal
            if not self._recovered:
                self._tell_bounds()
            walk = Walk(self._context, self._effects, began=self._began)
            await walk.run(recovered=self._recovered)
            finish = self._finish(None, "")
        except Stopped as stopped:
            finish = await self._failed(stopped.reason or Reason.LEASE_EXPIRED, stopped.message)
        except FAILURES as error:
            failure = as_failure(error)
            finish = await self._failed(failure.reason, failure.message)
        except Exception:
            logger.exception("a bug ended the execution")
            finish = await self._failed(Reason.WORKER_BUG, "The worker met a bug; its own log says where.")
        record.finish = finish
        logger.info("execution ended", ended=finish.reason.value if finish.reason else "succeeded")
        try:
            self._context.journal.save()
        except OSError as error:
            # A full disk must not keep the coordinator from being told.
            logger.warning("the end is not on disk", problem=str(error))

    @property
    def _so_far(self) -> dict[str, Any]:
        """What of the facts is worth knowing before the end."""
        reached = self._context.facts.get("network")
        return {} if reached is None else {"network": reached}

    def _tell_bounds(self) -> None:
        for sentence in self._context.permit.notes.cuts:
            self._context.log(Phase.PREPARE).line(f"The worker's policy gives less: {sentence}")

    def _began(self) -> None:
        """Tell of the node that begins, and how the one before it ended."""
        nodes = self._context.record.nodes
        self._reports.begin(nodes[-1].phase, nodes[-2:], self._so_far)
        self._shipper.hurry()

    def _tell_again(self) -> None:
        """A restarted worker's predecessor may have been killed before it could tell how far it came."""
        nodes = self._context.record.nodes
        for phase in Phase:
            if reached := [node for node in nodes if node.phase is phase]:
                self._reports.begin(phase, reached, self._so_far)

    async def _failed(self, reason: Reason, message: str) -> FinishRequest:
        salvage_ref = None
        try:
            nodes = self._context.record.nodes
            self._context.log(nodes[-1].phase if nodes else Phase.PREPARE).line(message)
            async with asyncio.timeout(TEARDOWN_SECONDS):
                salvage_ref = await self._effects.rescue(self._context)
        except Exception as error:
            # Even a bug here must not keep the coordinator from being told the end.
            logger.exception("salvage failed, the directory is kept", problem=str(error))
            self._context.record.unsaved = True
        return self._finish(reason, message, salvage_ref=salvage_ref)

    def _finish(
        self,
        reason: Reason | None,
        message: str,
        *,
        salvage_ref: str | None = None,
    ) -> FinishRequest:
        record = self._context.record
        changes = self._context.changes if reason is None else []
        return FinishRequest(
            fence=self.fence,
            reason=reason,
            message=message,
            change=next((change for change in changes if change.repository is None), None),
            further_changes=[change for change in changes if change.repository is not None],
            receipt=record.receipt,
            phase_seconds=record.phase_seconds,
            usage=record.usage,
            salvage_ref=salvage_ref,
            facts=self._context.facts,
            nodes=record.nodes,
            quota_seconds=self._context.quota_seconds if reason is Reason.QUOTA_REACHED else 0.0,
        )

    async def _tell_saved(self) -> None:
        """An execution that was lost has no end to be told, but work that can be gone on from."""
        finish = self._context.record.finish
        if finish is not None and finish.salvage_ref is not None:
            await tell_saved(self._context.tools.client, self._context, finish.salvage_ref)

    async def _deliver(self, shipping: asyncio.Task[None]) -> bool:
        """Send the rest of the log, then the end; wait out a coordinator that is away. False: it is lost."""
        finish = self._context.record.finish
        assert finish is not None
        sending = asyncio.Event()

        async def deliver() -> None:
            await shipping
            await self._reports.sent()
            reached("finish-begins")
            sending.set()
            # The same id however often it is sent: what was given for it comes again.
            told = msgspec.structs.replace(finish, next_request_id=self.next_request_id())
            answer = await until_answered(partial(self._context.tools.client.finish, self.id, told))
            reached("finish-answered")
            self.on_given(answer)

        delivering = asyncio.ensure_future(deliver())
        lost = asyncio.ensure_future(self.stop.lost.wait())
        try:
            await asyncio.wait({delivering, lost}, return_when=asyncio.FIRST_COMPLETED)
            if sending.is_set():
                # An end that was taken is not this worker's any more either; its answer brings the next task.
                await asyncio.wait({delivering}, timeout=CALL_SECONDS)
            if delivering.done():
                delivering.result()
                return True
            logger.warning("given up: the execution is no longer this worker's")
            return False
        except LostLease:
            logger.warning("refused: the execution is no longer this worker's")
            return False
        except PullyardError as error:
            logger.exception("the end was refused", code=error.code)
        finally:
            lost.cancel()
            delivering.cancel()
            with suppress(asyncio.CancelledError, PullyardError):
                await delivering
        return True


def nothing_more() -> None:
    """One execution, and no other after it."""


def unheard(_given: ClaimAnswer) -> None:
    """Nobody listens."""
