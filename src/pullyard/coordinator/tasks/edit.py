"""Edit a task that nobody has taken yet."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.agents.registry import check_settings
from pullyard.coordinator.edits import check_version
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.refs import check_branch
from pullyard.coordinator.tasks.read import read_task
from pullyard.coordinator.tasks.transition import lock_task
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import Task, TaskPatch
from pullyard.store.queries import named

_EDITABLE = frozenset({TaskState.PENDING, TaskState.QUEUED, TaskState.FAILED, TaskState.CANCELLED})
_NEVER_NULL = ("title", "description", "acceptance_criteria", "target_files", "priority")


async def edit_task(
    connection: AsyncConnection, tenant_id: str, task_id: str, patch: TaskPatch, if_match: str | None
) -> Task:
    """Raises Conflict while it runs or when it is completed: the work was begun on what it said."""
    row = await lock_task(connection, tenant_id, task_id)
    check_version(if_match, row.version)
    if row.state not in _EDITABLE:
        raise Conflict(
            f"A task that is {row.state} can't be edited.",
            code="not-editable",
            details={"state": row.state, "editable": sorted(_EDITABLE)},
        )
    check_branch(patch.base_branch)
    if patch.agent is not None:
        check_settings(patch.agent.name, patch.agent.settings)
    current = (await read_task(connection, tenant_id, task_id)).model_dump(mode="json")
    given = patch.model_dump(mode="json", exclude_unset=True)
    values = {name: given.get(name, current[name]) for name in TaskPatch.model_fields}
    for name in _NEVER_NULL:
        if values[name] is None:
            values[name] = current[name]
    await connection.execute(named("task_edit"), {**values, "id": task_id})
    about = TaskNews(tenant_id, row.project_id, task_id)
    await tell(connection, "task.edited", about, {"state": row.state, "fields": sorted(given)})
    return await read_task(connection, tenant_id, task_id)
