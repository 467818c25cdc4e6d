"""A task is wished for: numbered, put into its lane, and queued or held by what it waits for."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.refs import check_branch
from pullyard.coordinator.tasks.dependencies import set_dependencies
from pullyard.coordinator.tasks.lanes import lane_for
from pullyard.coordinator.tasks.transition import count_move, lock_project
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.task import PendingReason, TaskState
from pullyard.protocol.resources import TaskInput
from pullyard.store.queries import named


async def create_task(connection: AsyncConnection, tenant_id: str, project_id: str, wish: TaskInput) -> str:
    """The new task's id."""
    check_branch(wish.base_branch)
    await lock_project(connection, tenant_id, project_id)
    numbered = (await connection.execute(named("project_take_number"), {"id": project_id})).one()
    lane_id = await lane_for(connection, tenant_id, [*wish.labels, *numbered.labels])
    task_id = new_id(Kind.TASK)
    # A task without dependencies is queued at once; with them its row must be there before it is decided.
    state = TaskState.PENDING if wish.depends_on else TaskState.QUEUED
    values = wish.model_dump(mode="json", exclude={"depends_on"})
    await connection.execute(
        named("task_create"),
        {
            **values,
            "labels": sorted(set(wish.labels)),
            "id": task_id,
            "tenant_id": tenant_id,
            "project_id": project_id,
            "number": numbered.number,
            "lane_id": lane_id,
            "state": state,
            "pending_reason": PendingReason.DEPENDENCY if wish.depends_on else None,
        },
    )
    if wish.depends_on and not await set_dependencies(connection, project_id, task_id, wish.depends_on):
        state = TaskState.QUEUED
        await connection.execute(named("task_queue_new"), {"id": task_id})
    await count_move(connection, project_id, lane_id, None, state)
    payload = {"state": state, "number": numbered.number, "title": wish.title}
    await tell(connection, "task.created", TaskNews(tenant_id, project_id, task_id), payload)
    return task_id
