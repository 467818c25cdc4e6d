"""The one last write of an execution: execution, task, change, summary and events together."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.claim import branch_end, head_branch
from pullyard.coordinator.executions.end import Outcome, end_execution
from pullyard.coordinator.executions.fenced import is_live, lock_own_execution
from pullyard.coordinator.executions.nodes import write_nodes
from pullyard.coordinator.executions.phase import begin_phase
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.change import ChangeState
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import ExecutionEvent, ExecutionState, Phase
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.lifecycle.reasons import REASONS
from pullyard.lifecycle.workflows import CHANGE_UPDATE
from pullyard.protocol.errors import LostLease, RequestError
from pullyard.protocol.worker import FinishRequest, PhaseReport, PublishedChange, Receipt
from pullyard.store.queries import named


async def finish_execution(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, request: FinishRequest
) -> None:
    """Repeatable with the same content. Raises LostLease where the execution is no longer the worker's.

    Plain successes mostly do not come here: ``FinishGroups`` writes the same for many of them at once.
    """
    if len(request.phases) > len(Phase):
        raise RequestError("A finish tells of each phase at most once.")
    row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, request.fence)
    if not is_live(row):
        if not is_repeated(row, request):
            raise LostLease
        return
    for phase in request.phases:
        report = PhaseReport(fence=request.fence, phase=phase)
        await begin_phase(connection, tenant_id, worker_id, execution_id, report)
        row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, request.fence)
    await write_nodes(connection, row, request.nodes)
    change_id = await record_changes(connection, row, request)
    await end_execution(connection, row, outcome_of(request, change_id))
    reached("finish-before-commit")


def is_repeated(row: Any, request: FinishRequest) -> bool:
    """The same finish again, whose first answer got lost."""
    ends_as = ExecutionState.SUCCEEDED
    if request.reason is not None:
        ends_as = {
            ExecutionEvent.FAIL: ExecutionState.FAILED,
            ExecutionEvent.CANCEL: ExecutionState.CANCELLED,
            ExecutionEvent.TIME_OUT: ExecutionState.TIMED_OUT,
        }.get(REASONS[request.reason].ends_as, ExecutionState.FAILED)
    return row.state == ends_as and row.reason == request.reason


async def record_changes(connection: AsyncConnection, execution: Any, request: FinishRequest) -> str | None:
    """All that the execution published; the id of the change that stands for its task."""
    changes = [*([request.change] if request.change else []), *request.further_changes]
    if not changes:
        return None
    if execution.state != ExecutionState.PUBLISHING:
        raise IllegalTransition("execution", execution.state, "publish a change", ["publishing"])
    task = (await connection.execute(named("task_changes"), {"id": execution.task_id})).one()
    check_repositories(task.repositories, changes)
    check_branches(task, changes)
    if task.responds_to is not None:
        # A response works in the change's repository alone, whichever that is.
        receipt = changes[0].receipt or request.receipt
        advanced = await advance_change(connection, execution, task.responds_to, changes[0], receipt)
        if advanced:
            return task.responds_to
        if task.workflow == CHANGE_UPDATE.name:
            # Nobody wants what is over to be up to date.
            return None
    urls = {one["name"]: one["repository"] for one in task.repositories}
    recorded = [await record_change(connection, execution, change, urls) for change in changes]
    return recorded[0]


def check_repositories(known: list[dict[str, Any]], changes: list[PublishedChange]) -> None:
    """Raises RequestError unless each is of another one of the task's repositories."""
    named_ones = [change.repository for change in changes]
    if len(set(named_ones)) != len(named_ones) or set(named_ones) - {None, *(one["name"] for one in known)}:
        raise RequestError("A finish has one change for each of its task's repositories, and no other.")


def check_branches(task: Any, changes: list[PublishedChange]) -> None:
    """Raises RequestError for a branch that was not granted: another worker is told to merge or delete it."""
    end = branch_end(head_branch(task.number, task.slug, task.id))
    for change in changes:
        # What stands before its end was the project's wish when the task was given out.
        own = change.branch.endswith(end) and change.branch.removesuffix(end)[-1:] in ("/", "-", "")
        if change.branch == task.change_branch or (task.change_branch is None and own):
            continue
        raise RequestError("A change is on the branch of its grant.", code="foreign-branch")


async def advance_change(
    connection: AsyncConnection,
    execution: Any,
    change_id: str,
    change: PublishedChange,
    receipt: Receipt | None,
) -> bool:
    """The change holds the new commit now; False where it was merged or closed meanwhile."""
    moved = await connection.execute(
        named("change_advance"),
        {
            "id": change_id,
            "execution_id": execution.id,
            "branch": storable(change.branch),
            "commit": change.commit,
            "base_commit": change.base_commit,
            "body": storable(change.body),
            "receipt": storable(msgspec.to_builtins(receipt)),
            "diffstat": storable(msgspec.to_builtins(change.diffstat)),
            "diff": storable(change.diff),
            "diff_truncated": change.diff_truncated,
        },
    )
    if moved.rowcount == 0:
        return False
    about = TaskNews(execution.tenant_id, execution.project_id, execution.task_id, execution.id)
    payload = {"change_id": change_id, "state": ChangeState.OPEN, "commit": change.commit}
    await tell(connection, "change.updated", about, payload)
    return True


async def record_change(
    connection: AsyncConnection, execution: Any, change: PublishedChange, urls: Mapping[str, str]
) -> str:
    change_id = new_id(Kind.CHANGE)
    await connection.execute(
        named("change_create"),
        {
            "id": change_id,
            "tenant_id": execution.tenant_id,
            "project_id": execution.project_id,
            "task_id": execution.task_id,
            "execution_id": execution.id,
            "state": ChangeState.OPEN,
            "branch": storable(change.branch),
            "base_branch": storable(change.base_branch),
            "base_commit": change.base_commit,
            "commit": change.commit,
            "title": storable(change.title),
            "body": storable(change.body),
            "diffstat": storable(msgspec.to_builtins(change.diffstat)),
            "diff": storable(change.diff),
            "diff_truncated": change.diff_truncated,
            "url": storable(change.url),
            "repository": change.repository,
            "repository_url": urls[change.repository] if change.repository else None,
            "receipt": storable(msgspec.to_builtins(change.receipt)),
        },
    )
    about = TaskNews(execution.tenant_id, execution.project_id, execution.task_id, execution.id)
    payload = {"change_id": change_id, "state": ChangeState.OPEN, "branch": storable(change.branch)}
    await tell(connection, "change.open", about, payload)
    return change_id


def outcome_of(request: FinishRequest, change_id: str | None) -> Outcome:
    if request.reason is not None and (request.change is not None or request.further_changes):
        raise RequestError("A finish with a reason has no change.")
    return Outcome(
        reason=request.reason,
        message=storable(request.message),
        change_id=change_id,
        facts=storable(request.facts),
        phase_seconds=storable(request.phase_seconds),
        receipt=storable(msgspec.to_builtins(request.receipt)),
        salvage_ref=storable(request.salvage_ref),
        input_tokens=request.usage.input_tokens,
        output_tokens=request.usage.output_tokens,
        cost_micros=request.usage.cost_micros,
        quota_seconds=request.quota_seconds,
    )
