"""What a project does when a task of its list, or an injected one, has failed for good.

It is asked by ``end_task`` before the task is moved, in the same transaction and under the project's lock.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.control import Cause, change_automation
from pullyard.coordinator.automation.policy import policy_of, read_automation
from pullyard.coordinator.automation.resolution import begin_resolution
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.transition import move_task
from pullyard.lifecycle.automation import AutomationEvent, AutomationState
from pullyard.lifecycle.task import PendingReason, TaskEvent, TaskState
from pullyard.protocol.resources import OnError, TaskSource
from pullyard.store.queries import named

UNATTENDED = frozenset({TaskSource.LIST, TaskSource.INJECT})
_CAN_HALT = frozenset({AutomationState.RUNNING, AutomationState.PAUSED})


@dataclass(frozen=True)
class Failure:
    reason: str | None
    message: str


@dataclass(frozen=True)
class Verdict:
    held: bool = False
    """The task does not fail now: it waits for the task that is to mend the cause."""
    also: list[tuple[Any, Failure]] = field(default_factory=list[tuple[Any, Failure]])
    """Tasks that fail with it for a reason of their own."""


async def judge_ending(connection: AsyncConnection, task: Any, event: TaskEvent, failure: Failure) -> Verdict:
    """By the project's policy. A task that a person or a program asked for is theirs, and only fails."""
    if task.resolves is not None:
        return await judge_resolution(connection, task, event)
    if event is not TaskEvent.FAIL or task.source not in UNATTENDED:
        return Verdict()
    project = await read_automation(connection, task.tenant_id, task.project_id)
    match policy_of(project).on_error:
        case OnError.SKIP:
            about = TaskNews(task.tenant_id, task.project_id, task.id)
            payload = {"number": task.number, "reason": failure.reason, "message": failure.message}
            await tell(connection, "automation.skipped", about, payload)
        case OnError.STOP:
            await halt(connection, project, task, "error", failure)
        case OnError.RESOLVE:
            facts = await read_facts(connection, task.project_id, task.id)
            return await resolve_or_escalate(connection, project, facts, failure, earlier=None)
    return Verdict()


async def judge_resolution(connection: AsyncConnection, resolution: Any, event: TaskEvent) -> Verdict:
    """The task that was to mend another's cause did not: try once more, or ask a person.

    A cancelled resolution comes here, too: whoever cancelled it wants no other one.
    """
    facts = await read_facts(connection, resolution.project_id, resolution.resolves)
    if facts.state != TaskState.PENDING:
        return Verdict()
    await connection.execute(named("resolution_end"), {"id": facts.id, "resolution": resolution.id})
    first = Failure(facts.reason, facts.message)
    if event is TaskEvent.CANCEL:
        return Verdict(also=[(facts, first)])
    project = await read_automation(connection, resolution.tenant_id, resolution.project_id)
    verdict = await resolve_or_escalate(connection, project, facts, first, earlier=resolution.id)
    return Verdict(also=verdict.also if verdict.held else [(facts, first)])


async def resolve_or_escalate(
    connection: AsyncConnection, project: Any, facts: Any, failure: Failure, *, earlier: str | None
) -> Verdict:
    policy = policy_of(project)
    if policy.on_error is OnError.RESOLVE and facts.resolutions < policy.max_resolutions:
        resolution_id = await begin_resolution(connection, project, facts, failure.reason, failure.message)
        await connection.execute(
            named("resolution_begin"), {"id": facts.id, "resolution": resolution_id, "earlier": earlier}
        )
        if facts.state != TaskState.PENDING:
            held = {"pending": PendingReason.DEPENDENCY, "reason": failure.reason, "message": failure.message}
            await move_task(connection, facts, TaskEvent.HOLD, **held)
        return Verdict(held=True)
    await halt(connection, project, facts, "escalation", failure)
    about = TaskNews(project.tenant_id, project.id, facts.id)
    payload = {
        "number": facts.number,
        "title": facts.title,
        "reason": failure.reason,
        "message": failure.message,
        "resolutions": facts.resolutions,
    }
    await tell(connection, "automation.escalated", about, payload)
    return Verdict()


async def halt(connection: AsyncConnection, project: Any, task: Any, reason: str, failure: Failure) -> None:
    """What runs goes on to its end; nothing new is claimed until a person resumes or stops it."""
    if project.automation not in _CAN_HALT:
        return
    tries = f" after {task.resolutions} attempts to mend it" if reason == "escalation" else ""
    why = failure.message or failure.reason or "it gave no reason"
    cause = Cause(reason, f"Task #{task.number} failed{tries}: {why}", task.id)
    await change_automation(connection, project.tenant_id, project.id, AutomationEvent.HALT, cause)


async def read_facts(connection: AsyncConnection, project_id: str, task_id: str) -> Any:
    rows = await connection.execute(named("resolution_facts"), {"project_id": project_id, "id": task_id})
    return rows.one()
