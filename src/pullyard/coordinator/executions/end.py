"""The end of an execution: its task is delivered, tried again or given up, in one transaction."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.control import put_back
from pullyard.coordinator.costs.account import add_usage, lock_spending
from pullyard.coordinator.costs.pause import close_what_is_spent
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.metrics.instruments import Ended
from pullyard.coordinator.tasks.end import end_task
from pullyard.coordinator.tasks.transition import move_task
from pullyard.lifecycle.execution import EXECUTION_TRANSITIONS, ExecutionEvent, ExecutionState
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.policies import Retry, RetryPolicy, decide_retry
from pullyard.lifecycle.reasons import REASONS, Reason
from pullyard.lifecycle.task import PendingReason, TaskEvent
from pullyard.protocol.worker import Usage
from pullyard.store.database import note
from pullyard.store.queries import named

# So long a task waits for another worker than the one of its failed try; afterwards anyone may have it.
AVOID_SECONDS = 60
# So long a worker that refused a task is not asked again; its owner may have changed the policy by then.
REFUSED_SECONDS = 600
MAX_REFUSALS = 10
"""So many workers are asked before the task fails of what their owners do not allow."""


@dataclass(frozen=True)
class Outcome:
    """``reason`` None is success. The rest is what the worker measured; empty where it could not."""

    reason: Reason | None
    message: str = ""
    change_id: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    phase_seconds: dict[str, float] = field(default_factory=dict)
    receipt: dict[str, Any] | None = None
    salvage_ref: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    quota_seconds: float = 0.0


def ending_state(current: ExecutionState, reason: Reason | None) -> ExecutionState:
    """Raises IllegalTransition where an execution in ``current`` can't end so."""
    event = ExecutionEvent.SUCCEED if reason is None else REASONS[reason].ends_as
    return step("execution", EXECUTION_TRANSITIONS, current, event)


async def end_execution(connection: AsyncConnection, execution: Any, outcome: Outcome) -> None:
    """``execution`` is a live row read under its project's lock."""
    state = ending_state(ExecutionState(execution.state), outcome.reason)
    await count_spending(connection, execution, outcome)
    await connection.execute(
        named("execution_end"),
        {
            "id": execution.id,
            "state": state,
            "reason": outcome.reason,
            "message": outcome.message,
            "facts": outcome.facts,
            "phase_seconds": outcome.phase_seconds,
            "receipt": outcome.receipt,
            "salvage_ref": outcome.salvage_ref,
            "input_tokens": outcome.input_tokens,
            "output_tokens": outcome.output_tokens,
            "cost_micros": outcome.cost_micros,
        },
    )
    note(connection, ended(execution, state, outcome))
    about = TaskNews(execution.tenant_id, execution.project_id, execution.task_id, execution.id)
    payload = {"state": state, "reason": outcome.reason, "message": outcome.message}
    await tell(connection, f"execution.{state.value}", about, payload)
    await settle_task(connection, execution, outcome)


async def count_spending(connection: AsyncConnection, execution: Any, outcome: Outcome) -> None:
    """What was not told yet while it ran."""
    usage = Usage(
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        cost_micros=outcome.cost_micros,
    )
    if usage == Usage():
        return
    row = await lock_spending(connection, execution.tenant_id, execution.id)
    account = await add_usage(connection, row, usage)
    await close_what_is_spent(connection, account)


def ended(execution: Any, state: ExecutionState, outcome: Outcome) -> Ended:
    """What metrics and traces tell of it, once it is committed."""
    return Ended(
        state=state,
        correlation_id=execution.correlation_id,
        project_id=execution.project_id,
        task_id=execution.task_id,
        execution_id=execution.id,
        worker_id=execution.worker_id,
        queued_at=execution.queued_at.timestamp(),
        reason=outcome.reason,
        phase_seconds=outcome.phase_seconds,
        facts=outcome.facts,
        input_tokens=outcome.input_tokens,
        output_tokens=outcome.output_tokens,
        cost_micros=outcome.cost_micros,
    )


async def settle_task(connection: AsyncConnection, execution: Any, outcome: Outcome) -> None:
    task = (
        await connection.execute(
            named("task_row"), {"tenant_id": execution.tenant_id, "id": execution.task_id}
        )
    ).one()
    if outcome.reason is None:
        await note_try(connection, task.id, counted=True, change_id=outcome.change_id)
        await end_task(connection, task, TaskEvent.COMPLETE, message=outcome.message)
        return
    if execution.stop_requested:
        await put_back(connection, task, execution.id, outcome.salvage_ref)
        return
    if await is_for_another_worker(connection, execution, outcome.reason):
        await move_task(connection, task, TaskEvent.REQUEUE, reason=outcome.reason, message=outcome.message)
        return
    counts = REASONS[outcome.reason].counts_as_try
    await note_try(connection, task.id, counted=counts)
    if outcome.reason is Reason.CANCELLED or execution.cancel_requested:
        words = outcome.message or "Cancelled while it ran."
        await end_task(connection, task, TaskEvent.CANCEL, reason=Reason.CANCELLED, message=words)
        return
    policy = RetryPolicy(**execution.retry)
    tries = task.tries + counts
    retry = decide_retry(policy, outcome.reason, tries, task.uncounted_tries + (not counts))
    if retry is None:
        await end_task(connection, task, TaskEvent.FAIL, reason=outcome.reason, message=outcome.message)
        return
    await prepare_next_try(connection, execution, retry, salvaged=outcome.salvage_ref is not None)
    if outcome.reason is Reason.QUOTA_REACHED:
        until = {"id": task.id, "worker_id": execution.worker_id, "seconds": outcome.quota_seconds}
        await connection.execute(named("task_quota"), until)
    if retry.delay:
        await move_task(
            connection,
            task,
            TaskEvent.HOLD,
            pending=PendingReason.BACKOFF,
            delay_seconds=retry.delay.total_seconds(),
            reason=outcome.reason,
            message=outcome.message,
        )
    else:
        await move_task(connection, task, TaskEvent.REQUEUE, reason=outcome.reason, message=outcome.message)


async def is_for_another_worker(connection: AsyncConnection, execution: Any, reason: Reason) -> bool:
    """Whether a worker did not begin what its owner does not allow, and the owner of another one may."""
    begun = execution.state != ExecutionState.ASSIGNED
    if reason is not Reason.POLICY_REFUSED or begun or execution.cancel_requested:
        return False
    refusal = {
        "id": execution.task_id,
        "worker_id": execution.worker_id,
        "seconds": REFUSED_SECONDS,
        "most": MAX_REFUSALS,
    }
    return await connection.scalar(named("task_refused"), refusal) is not None


async def prepare_next_try(
    connection: AsyncConnection, execution: Any, retry: Retry, *, salvaged: bool
) -> None:
    """From where the next try goes on, and on which worker it had better not."""
    policy = RetryPolicy(**execution.retry)
    await connection.execute(
        named("task_next_try"),
        {
            "id": execution.task_id,
            "execution_id": execution.id if policy.resume and salvaged else None,
            "counts": retry.counts,
            "worker_id": execution.worker_id if policy.another_worker and retry.counts else None,
            "seconds": retry.delay.total_seconds() + AVOID_SECONDS,
        },
    )


async def note_try(
    connection: AsyncConnection, task_id: str, *, counted: bool, change_id: str | None = None
) -> None:
    await connection.execute(
        named("task_note_try"), {"id": task_id, "counted": counted, "change_id": change_id}
    )
