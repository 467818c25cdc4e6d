"""Start, pause, resume, stop and halt: one step of the table, and the flag that every claim looks at."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.policy import read_automation
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.transition import lock_project, move_task
from pullyard.lifecycle.automation import AUTOMATION_TRANSITIONS, AutomationEvent, AutomationState
from pullyard.lifecycle.machine import IllegalTransition, allowed_events, step
from pullyard.lifecycle.task import TaskEvent
from pullyard.store.queries import named


@dataclass(frozen=True)
class Cause:
    """Why the automation changed; ``task_id`` is the task whose failure it was."""

    reason: str
    message: str = ""
    task_id: str | None = None


BY_REQUEST = Cause("request")


def next_state(state: AutomationState, event: AutomationEvent) -> AutomationState:
    """Raises IllegalTransition, which names only what a person can do."""
    try:
        return step("automation", AUTOMATION_TRANSITIONS, state, event)
    except IllegalTransition as refused:
        allowed = [
            one for one in allowed_events(AUTOMATION_TRANSITIONS, state) if one != AutomationEvent.HALT
        ]
        raise IllegalTransition("automation", state, event, allowed) from refused


async def change_automation(
    connection: AsyncConnection,
    tenant_id: str,
    project_id: str,
    event: AutomationEvent,
    cause: Cause = BY_REQUEST,
) -> Any:
    """The project's row as it was before. Repeatable; calls at the same time come one after the other.

    Stop asks the workers of what runs to save their work and to end; ``put_back`` then queues those tasks
    again, to be claimed when the automation is started the next time.
    """
    await lock_project(connection, tenant_id, project_id)
    project = await read_automation(connection, tenant_id, project_id)
    before = AutomationState(project.automation)
    after = next_state(before, event)
    if after is before:
        return project
    parameters = {"project_id": project_id, "state": after}
    await connection.execute(
        named("automation_move"),
        {**parameters, "reason": cause.reason, "message": cause.message, "task_id": cause.task_id},
    )
    payload = {"state": after, "from": before, "reason": cause.reason, "message": cause.message}
    await tell(
        connection, f"automation.{after.value}", TaskNews(tenant_id, project_id, cause.task_id), payload
    )
    if after is AutomationState.STOPPED:
        stopped = await connection.execute(named("automation_stop_executions"), {"project_id": project_id})
        for row in stopped.all():
            about = TaskNews(tenant_id, project_id, row.task_id, row.id)
            await tell(connection, "task.stop-requested", about, {"reason": "automation"})
    return project


async def put_back(
    connection: AsyncConnection, task: Any, execution_id: str, salvage_ref: str | None
) -> None:
    """The task of an execution that was stopped with its automation waits for its project's next start.

    Not a try: nothing was wrong with it. It goes on from the work that was saved, where some was.
    """
    resume_from = execution_id if salvage_ref else None
    await connection.execute(named("task_put_back"), {"id": task.id, "resume_from": resume_from})
    await move_task(connection, task, TaskEvent.REQUEUE, message="Stopped with its project's automation.")
