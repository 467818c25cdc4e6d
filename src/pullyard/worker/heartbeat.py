"""One heartbeat for all executions of the worker: renews the lease and carries the coordinator's commands."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import structlog

from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.worker import HeartbeatAnswer, HeartbeatRequest, HeldExecution
from pullyard.worker.answers import Answers
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.gateway.share import Share
from pullyard.worker.gateway.windows import Windows, nothing
from pullyard.worker.lease import Lease
from pullyard.worker.offer import Offer
from pullyard.worker.stop import Stop

logger = structlog.get_logger(__name__)


class Held(Protocol):
    """What a heartbeat needs to know of an execution."""

    fence: int
    stop: Stop
    watched: bool
    answers: Answers
    share: Share


class Heart:
    def __init__(
        self, client: CoordinatorClient, lease: Lease, held: Mapping[str, Held], *, slots: int, seconds: float
    ) -> None:
        self._client = client
        self._lease = lease
        self._held = held
        self._slots = slots
        self._seconds = seconds
        self.windows = Windows()
        """Of the worker's credentials."""
        self.offer = Offer()
        self.on_offered: Callable[[], None] = nothing
        """The coordinator knows now what the worker can do since it changed."""
        self._wanted = asyncio.Event()
        self.draining = False
        self.drain_requested = asyncio.Event()

    def beat_now(self) -> None:
        """Acknowledge a fresh grant, or tell at once that a slot is free."""
        self._wanted.set()

    async def run(self, offline_seconds: float) -> None:
        while True:
            self._wanted.clear()
            await self._beat(offline_seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self._pause())

    def _pause(self) -> float:
        """Short while the coordinator is away, so that the lease is renewed soon after its return."""
        return self._seconds if self._lease.live else min(1.0, self._seconds)

    async def _beat(self, offline_seconds: float) -> None:
        request = HeartbeatRequest(
            executions=[
                HeldExecution(execution_id=id, fence=held.fence, spending=held.share.beat())
                for id, held in self._held.items()
            ],
            free_slots=max(0, self._slots - len(self._held)),
            draining=self.draining,
            quota=self.windows.news(),
            labels=self.offer.news(),
        )
        sent_at = self._lease.now()
        try:
            answer = await self._client.heartbeat(request, timeout=self._seconds)
        except PullyardError as failure:
            # A refused one is no end either: the claim finds a new credential, and the heart beats on.
            logger.warning("heartbeat not answered", problem=failure.message, code=failure.code)
            if self._lease.offline_seconds > offline_seconds:
                self._stop_all(offline_seconds)
            return
        reached("heartbeat-answered")
        self._obey(answer)
        self.windows.told(request.quota)
        if self.offer.told(request.labels):
            self.on_offered()
        named = {held.execution_id for held in request.executions}
        self._lease.renew(sent_at, answer.lease_seconds, named.difference(answer.lost))

    def _obey(self, answer: HeartbeatAnswer) -> None:
        for execution_id in answer.lost:
            if held := self._held.get(execution_id):
                held.stop.request(None, "The coordinator gave this execution up.")
        for execution_id in answer.cancel:
            if held := self._held.get(execution_id):
                held.stop.request(Reason.CANCELLED, "Cancelled on request.")
        for given in answer.answers:
            if held := self._held.get(given.execution_id):
                held.answers.give(given.question_id, given.answer)
        for execution_id, held in self._held.items():
            held.watched = execution_id in answer.watched
            if allowance := answer.allowances.get(execution_id):
                held.share.hear(allowance)
        if answer.drain:
            self.drain_requested.set()

    def _stop_all(self, offline_seconds: float) -> None:
        message = f"The coordinator was away for more than {offline_seconds:.0f} seconds."
        for held in self._held.values():
            held.stop.request(Reason.INTERRUPTED, message)
