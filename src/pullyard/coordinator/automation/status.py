"""How a project's automation stands: its progress, what runs, what comes next, and what stopped it."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.policy import policy_of, read_automation
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.automation import Automation, AutomationTask, FollowedList
from pullyard.store.queries import named

SHOWN = 10


async def read_status(connection: AsyncConnection, tenant_id: str, project_id: str) -> Automation:
    project = await read_automation(connection, tenant_id, project_id)
    counted = await connection.execute(named("automation_counts"), {"project_id": project_id})
    counts = dict.fromkeys(TaskState, 0) | {TaskState(row.state): row.tasks for row in counted}
    rows = await connection.execute(named("automation_tasks"), {"project_id": project_id, "limit": SHOWN})
    tasks = [AutomationTask.model_validate(dict(row)) for row in rows.mappings()]
    followed = (await connection.execute(named("list_row"), {"project_id": project_id})).mappings().first()
    return Automation(
        project_id=project_id,
        state=project.automation,
        reason=project.automation_reason,
        message=project.automation_message,
        task_id=project.automation_task_id,
        changed_at=project.automation_at,
        policy=policy_of(project),
        tasks=counts,
        done=counts[TaskState.COMPLETED],
        total=sum(counts.values()) - counts[TaskState.CANCELLED],
        current=[task for task in tasks if task.state is not TaskState.QUEUED],
        next=[task for task in tasks if task.state is TaskState.QUEUED],
        task_list=FollowedList.model_validate(dict(followed)) if followed else None,
    )
