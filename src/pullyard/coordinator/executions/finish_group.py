"""Successes that arrive while others are being committed are written together, in the next commit.

One transaction for each took a dozen statements and a commit; a group takes two and one, however long it is.
Only what is plain goes this way (see finish_group.sql). Everything else, and whatever a group was refused, is
``finish_execution``'s, which also says what is wrong with it.

Where workers ask for more in the place of what they finish, a claim for them is the end of the transaction.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import structlog

from pullyard.coordinator.executions.dispatcher import Dispatcher, Waiter
from pullyard.coordinator.executions.nodes import are_valid, node_rows
from pullyard.coordinator.executions.phase import after_phase
from pullyard.coordinator.metrics.instruments import Ended
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import (
    EXECUTION_TRANSITIONS,
    LIVE_EXECUTION_STATES,
    ExecutionEvent,
    ExecutionState,
    Phase,
)
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.machine import IllegalTransition, step
from pullyard.protocol.worker import ClaimAnswer, FinishRequest, Usage
from pullyard.store import hot
from pullyard.store.errors import DATABASE_AWAY

logger = structlog.get_logger(__name__)
MOST_FINISHES = 200
GATHER_SECONDS = 0.004
NOTHING_SPENT = Usage()
HELD_BY = ("id", "tenant_id", "worker_id", "fence")
# A longer diff is not worth its way through JSON in the database.
MOST_DIFF_CHARACTERS = 256 * 1024


@dataclass(eq=False)
class Finish:
    tenant_id: str
    worker_id: str
    execution_id: str
    request: FinishRequest
    written: "asyncio.Future[Written | None]"


@dataclass(frozen=True)
class Written:
    """What is committed: the end, and what the worker is given for its ``next_request_id``."""

    ended: Ended
    given: ClaimAnswer


class FinishGroups:
    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self.on_written: Callable[[Sequence[Ended]], None] = unheard
        """Is told of each group that is committed."""
        self._waiting: list[Finish] = []
        self._expected = 0
        """So many wait once everybody of the last group is back."""
        self._ended_at = 0.0
        self._gathered = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def write(
        self, tenant_id: str, worker_id: str, execution_id: str, request: FinishRequest
    ) -> Written | None:
        """Once it is committed; None where nothing was written and the longer way is to be taken."""
        if not is_plain(request):
            return None
        written: asyncio.Future[Written | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(Finish(tenant_id, worker_id, execution_id, request, written))
        if len(self._waiting) >= self._expected:
            self._gathered.set()
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(), name="finishes")
        return await written

    async def _write_all(self) -> None:
        while self._waiting:
            await self._gather()
            group, self._waiting = self._waiting[:MOST_FINISHES], self._waiting[MOST_FINISHES:]
            written: dict[int, Written] = {}
            try:
                written = await self._write(group)
                if written:
                    self.on_written([one.ended for one in written.values()])
            except DATABASE_AWAY as error:
                # One that can't be written must not cost the others: each now goes by itself.
                logger.warning(
                    "a group of finishes failed", error=type(error).__name__, reason=str(error)[:300]
                )
            except Exception:
                # Also of those who are told: a worker that waits for its answer is not to wait for ever.
                logger.exception("a bug in a group of finishes")
            self._ended_at = asyncio.get_running_loop().time()
            self._expected = min(MOST_FINISHES, len(group) + len(self._waiting))
            for place, finish in enumerate(group):
                if not finish.written.done():
                    finish.written.set_result(written.get(place))

    async def _gather(self) -> None:
        """The first after a silence goes at once, with what came in the same tick.

        Those of a burst wait a moment for the last group's workers, which may have ended what they were
        given: one large group costs much less than two small ones.
        """
        await asyncio.sleep(0)
        seconds = self._ended_at + GATHER_SECONDS - asyncio.get_running_loop().time()
        if seconds > 0 and len(self._waiting) < self._expected:
            self._gathered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._gathered.wait()

    async def _write(self, group: Sequence[Finish]) -> dict[int, Written]:
        """By place in the group; all that is returned is committed."""
        wishes = [wish_of(place, finish) for place, finish in enumerate(group)]
        waiters: dict[int, Waiter] = {}
        groups: set[object] = set()
        async with AsyncExitStack() as waiting:
            async with self._dispatcher.ending_with_claim(lambda one: one.group in groups) as (connection, _):
                held = [{name: wish[name] for name in HELD_BY} for wish in wishes]
                await hot.fetch(connection, "finish_lock", {"wishes": held})
                rows = await hot.fetch(connection, "finish_group", {"wishes": wishes})
                # Only what is written makes room.
                for row in rows:
                    if waiter := next_waiter(row, group[row.place]):
                        await waiting.enter_async_context(self._dispatcher.waiting(waiter))
                        waiters[row.place] = waiter
                        groups.add(waiter.group)
                reached("finish-before-commit")
            reached("finish-after-commit")
            for waiter in waiters.values():
                waiter.give_up()
            # The dispatcher's own claim may be under way for one of them.
            given = {place: await waiter.answer for place, waiter in waiters.items()}
        return {
            row.place: Written(ended_of(row, group[row.place]), given.get(row.place, ClaimAnswer()))
            for row in rows
        }


def unheard(_ended: Sequence[Ended]) -> None:
    """Nobody listens."""


def next_waiter(row: Any, finish: Finish) -> Waiter | None:
    """For what the worker would have in the place of what it finishes."""
    request_id = finish.request.next_request_id
    if request_id is None:
        return None
    return Waiter(finish.tenant_id, finish.worker_id, request_id, labels=tuple(row.worker_labels), slots=1)


def is_plain(request: FinishRequest) -> bool:
    change = request.change
    return (
        request.reason is None
        and request.salvage_ref is None
        # What is spent counts against budgets, which end_execution keeps.
        and request.usage == NOTHING_SPENT
        and not request.further_changes
        and are_valid(request.nodes)
        and (change is None or (change.repository is None and len(change.diff or "") <= MOST_DIFF_CHARACTERS))
    )


def wish_of(place: int, finish: Finish) -> Mapping[str, Any]:
    """Only what a worker has written is made storable."""
    request = finish.request
    change = msgspec.to_builtins(request.change) if request.change else None
    return {
        "place": place,
        "id": storable(finish.execution_id),
        "tenant_id": finish.tenant_id,
        "worker_id": finish.worker_id,
        "fence": request.fence,
        "from_states": from_states(tuple(request.phases), published=change is not None),
        "message": storable(request.message),
        "facts": storable(request.facts),
        "phase_seconds": storable(request.phase_seconds),
        "receipt": storable(msgspec.to_builtins(request.receipt)),
        "input_tokens": request.usage.input_tokens,
        "output_tokens": request.usage.output_tokens,
        "cost_micros": request.usage.cost_micros,
        "nodes": storable(node_rows(request.nodes)),
        "change": storable({**change, "id": new_id(Kind.CHANGE)}) if change else None,
    }


@cache
def from_states(phases: tuple[Phase, ...], *, published: bool) -> list[str]:
    """The states from which these phases and then success are legal; only publishing leads to a change."""
    states = sorted(LIVE_EXECUTION_STATES)
    return [state.value for state in states if leads_to_success(state, phases, published=published)]


def leads_to_success(state: ExecutionState, phases: Sequence[Phase], *, published: bool) -> bool:
    try:
        for phase in phases:
            state = after_phase(state, phase)
        step("execution", EXECUTION_TRANSITIONS, state, ExecutionEvent.SUCCEED)
    except IllegalTransition:
        return False
    return state is ExecutionState.PUBLISHING or not published


def ended_of(row: Any, finish: Finish) -> Ended:
    """What metrics and traces tell of it."""
    request = finish.request
    return Ended(
        state=ExecutionState.SUCCEEDED,
        correlation_id=row.correlation_id,
        project_id=row.project_id,
        task_id=row.task_id,
        execution_id=row.id,
        worker_id=finish.worker_id,
        queued_at=row.queued_at,
        phase_seconds=request.phase_seconds,
        facts=request.facts,
        input_tokens=request.usage.input_tokens,
        output_tokens=request.usage.output_tokens,
        cost_micros=request.usage.cost_micros,
    )
