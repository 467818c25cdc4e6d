"""The worker's loop: ask for work, start it in a slot, and again; drain when told to."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol
from uuid import uuid4

import structlog

from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import ProtocolViolation, PullyardError
from pullyard.protocol.worker import ClaimAnswer, ClaimRequest, Errand, Grant
from pullyard.worker.clean import make_room
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.disk import has_room
from pullyard.worker.execution import Execution
from pullyard.worker.heartbeat import Heart
from pullyard.worker.journal import Journal
from pullyard.worker.settings import WorkerSettings
from pullyard.worker.threads import in_thread

logger = structlog.get_logger(__name__)

POLL_SECONDS = 50.0
NO_ROOM_PAUSE_SECONDS = 5.0
CLEAN_SECONDS = 60.0
"""Between two looks for caches to remove, which walk through all of them."""
DRAIN_MESSAGE = "The worker was asked to stop before the work was done."

ABANDON_SECONDS = 6.0
"""After everything was stopped: what is not told by then is told by the next start, from the journal."""


class Begin(Protocol):
    def __call__(self, journal: Journal, *, recovered: bool) -> Execution: ...


DoErrand = Callable[[Errand], Coroutine[Any, Any, None]]


class Loop:
    """Owns the slots. ``held`` is shared with the heartbeat: what is in it is what we say we have."""

    def __init__(
        self,
        client: CoordinatorClient,
        heart: Heart,
        held: dict[str, Execution],
        *,
        settings: WorkerSettings,
        begin: Begin,
        do_errand: DoErrand,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        """``ready``: whether there is anything that tasks can run in, just now."""
        self._client = client
        self._heart = heart
        self._held = held
        self._once = settings.once
        self._slots = 1 if settings.once else settings.slots
        self._asked_for = 0
        self._executions = settings.data_directory / "executions"
        self._executions.mkdir(exist_ok=True)
        self._minimum_free_bytes = settings.minimum_free_bytes
        self._begin = begin
        self._do_errand = do_errand
        self._ready = ready
        self._running: set[asyncio.Task[None]] = set()
        self._slot_freed = asyncio.Event()
        self.stopping = asyncio.Event()
        self.save_again = asyncio.Event()
        """Set when work that could not be saved perhaps can be; whoever waits for it clears it."""
        self._full = False
        self._cleaned_at = -CLEAN_SECONDS

    def ask_anew(self) -> None:
        """What was asked of the coordinator was asked when less, or more, could be done here."""
        self._slot_freed.set()

    def engine_is_away(self) -> None:
        """The coordinator is told at once, and work is asked for once it knows: it gives less, or more."""
        self._heart.beat_now()
        self.ask_anew()

    def engine_is_back(self) -> None:
        self.engine_is_away()
        self.save_again.set()

    def recover(self) -> None:
        """Take up what a killed worker left on disk."""
        for journal in Journal.find_all(self._executions):
            logger.info("found an unfinished execution", execution_id=journal.record.grant.execution_id)
            self._start(self._begin(journal, recovered=True))

    async def run(self, *, once: bool) -> None:
        """Claim until asked to stop; with ``once``, until one execution has been run to its end."""
        request_id = str(uuid4())
        while not self.stopping.is_set():
            self._slot_freed.clear()
            answer = await self._claim(request_id)
            if answer is None:
                continue
            request_id = str(uuid4())
            self._take(answer)
            if once and answer.grants:
                await self.finished()
                return

    async def _claim(self, request_id: str) -> ClaimAnswer | None:
        """Ask once. None means ask again: a slot became free meanwhile, or the worker is stopping.

        The same request id is used again then, so that a grant whose answer we dropped comes again.
        """
        room = await self._find_room() and self._ready()
        slots = self._asked_for = self._free_slots if room else 0
        wait = POLL_SECONDS if room else NO_ROOM_PAUSE_SECONDS
        request = ClaimRequest(request_id=request_id, slots=slots, wait_seconds=wait)
        asking = asyncio.ensure_future(until_answered(lambda: self._client.claim(request)))
        stopping = asyncio.ensure_future(self.stopping.wait())
        freed = asyncio.ensure_future(self._slot_freed.wait())
        try:
            await asyncio.wait({asking, stopping, freed}, return_when=asyncio.FIRST_COMPLETED)
            return asking.result() if asking.done() else None
        finally:
            for future in (asking, stopping, freed):
                future.cancel()
            with suppress(asyncio.CancelledError, PullyardError):
                await asking

    @property
    def _free_slots(self) -> int:
        return max(0, self._slots - len(self._held))

    def _next_request_id(self) -> str | None:
        """For an execution that ends: its slot need not stay empty until the next claim."""
        # A worker that was started again with fewer slots may hold more than it has.
        surplus = len(self._held) > self._slots
        if self._once or self.stopping.is_set() or surplus or not (self._ready() and self._has_room()):
            return None
        return str(uuid4())

    def _take(self, answer: ClaimAnswer) -> None:
        for grant in answer.grants:
            self._accept(grant)
        for errand in answer.errands:
            self._spawn(self._do_errand(errand))

    def _take_next(self, answer: ClaimAnswer) -> None:
        # What is not taken is never confirmed, and soon given to another worker.
        if not self.stopping.is_set():
            self._take(answer)

    async def _find_room(self) -> bool:
        """Whether a task may be taken; caches go for it where the disk is nearly full."""
        room, now = self._has_room(), asyncio.get_running_loop().time()
        if not room and now - self._cleaned_at >= CLEAN_SECONDS:
            self._cleaned_at = now
            await self._make_room()
            room = self._has_room()
        if not room:
            logger.warning("the disk is nearly full, no task is taken", directory=str(self._executions))
        elif self._full:
            self.save_again.set()
        self._full = not room
        return room

    async def _make_room(self) -> None:
        """Whatever agents have left on the disk, it never ends the worker, which would find it again."""
        try:
            removed = await in_thread(make_room, self._executions.parent, self._has_room)
        except Exception as error:
            logger.exception("no room could be made on the disk", problem=str(error))
            return
        if removed:
            logger.warning("the disk was nearly full, caches are removed", removed=removed)

    def _has_room(self) -> bool:
        return has_room(self._executions, self._minimum_free_bytes)

    def _accept(self, grant: Grant) -> None:
        if grant.execution_id in self._held:
            return
        reached("grant-received")
        used = {execution.slot for execution in self._held.values()}
        slot = next(number for number in range(self._slots + len(used)) if number not in used)
        try:
            journal = Journal.create(self._executions, grant, slot)
        except (OSError, ProtocolViolation) as error:
            # Never confirmed, so the coordinator soon gives the task again, and it does not count as a try.
            logger.warning("a grant can't be written down", problem=str(error))
            return
        self._start(self._begin(journal, recovered=False))
        self._heart.beat_now()

    def _start(self, execution: Execution) -> None:
        self._held[execution.id] = execution
        execution.next_request_id, execution.on_given = self._next_request_id, self._take_next
        self._spawn(self._run(execution))

    async def _run(self, execution: Execution) -> None:
        try:
            await execution.run()
        finally:
            self._held.pop(execution.id, None)
            if self._free_slots != self._asked_for:
                self._slot_freed.set()
            if execution.unsaved:
                # What kept it from being saved may have been mended before it was put aside.
                self.save_again.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a bug ended a piece of work", exc_info=error)

    async def finished(self) -> None:
        """Return when nothing runs any more."""
        while self._running:
            await asyncio.wait(self._running)

    async def drain(self, seconds: float) -> None:
        """Take nothing new; let what runs go on for ``seconds``, then stop and salvage it."""
        self.stopping.set()
        self._heart.draining = True
        self._heart.beat_now()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.finished()
        for execution in list(self._held.values()):
            execution.stop.request(Reason.INTERRUPTED, DRAIN_MESSAGE)
        with suppress(TimeoutError):
            async with asyncio.timeout(ABANDON_SECONDS):
                await self.finished()
        for task in self._running:
            task.cancel()
