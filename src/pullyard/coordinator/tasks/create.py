"""A task is wished for: numbered, put into its lane, and queued or held by what it waits for."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.agents.registry import check_settings
from pullyard.coordinator.projects.refs import check_branch
from pullyard.coordinator.tasks.dependencies import set_dependencies
from pullyard.coordinator.tasks.lanes import lane_for
from pullyard.coordinator.tasks.overlaps import check_overlaps
from pullyard.coordinator.tasks.release import release_task
from pullyard.coordinator.tasks.transition import lock_project, lock_task
from pullyard.coordinator.workflows.choose import check_task, needs_new_worker, with_agent, with_needs
from pullyard.git.names import branch_slug
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.task import Holds, TaskState, held_by
from pullyard.protocol.resources import TaskInput
from pullyard.store.queries import named

_PLAN = {"depends_on", "draft", "start_at", "retry"}


def check_wish(wish: TaskInput, *, responds: bool = False) -> None:
    """What can be told without the database. Raises RequestError."""
    check_task(wish, responds=responds)
    check_branch(wish.base_branch)
    if wish.agent is not None:
        check_settings(wish.agent.name, wish.agent.settings)


async def create_task(
    connection: AsyncConnection,
    tenant_id: str,
    project_id: str,
    wish: TaskInput,
    *,
    member_id: str | None = None,
    responds_to: str | None = None,
    comparison_id: str | None = None,
) -> str:
    """The new task's id. Raises NotFound for the project, RequestError for what it waits for.

    ``member_id`` is who asks, whose limit the task counts against; None where nobody is known. With a
    ``comparison_id`` it is one of its candidates.
    """
    check_wish(wish, responds=responds_to is not None)
    labels = with_needs(wish.labels, needed=needs_new_worker(wish))
    labels = with_agent(labels, wish.agent.model_dump() if wish.agent else None)
    wish = wish.model_copy(update={"labels": labels})
    task_id = new_id(Kind.TASK)
    # The reason is a first guess, and `release_task` puts it right; most tasks are held by nothing.
    queues = wish.target_files and await connection.scalar(named("overlap_queues"), {"id": project_id})
    held = held_by(Holds(wish.draft, len(wish.depends_on), wish.start_at is not None, overlaps=bool(queues)))
    parameters = {
        **wish.model_dump(mode="json", exclude=_PLAN),
        "labels": sorted(set(wish.labels)),
        "id": task_id,
        "tenant_id": tenant_id,
        "project_id": project_id,
        "member_id": member_id,
        "slug": branch_slug(wish.title),
        "state": TaskState.PENDING if held else TaskState.QUEUED,
        "pending_reason": held,
    }
    created = (await connection.execute(named("task_create"), parameters)).one_or_none()
    if created is None:
        await lock_project(connection, tenant_id, project_id)
        project_labels = await connection.scalar(named("project_labels"), {"project_id": project_id})
        await lane_for(connection, tenant_id, [*wish.labels, *(project_labels or [])], member_id)
        created = (await connection.execute(named("task_create"), parameters)).one()
    if needs_new_worker(wish):
        await connection.execute(named("task_workflow"), {**parameters, "responds_to": responds_to})
    await write_the_rest(connection, task_id, wish, comparison_id)
    if held or wish.retry is not None:
        await plan_task(connection, task_id, wish, lane_id=created.lane_id)
    if held:
        await set_dependencies(connection, project_id, task_id, wish.depends_on)
        await release_task(connection, await lock_task(connection, tenant_id, task_id))
    elif wish.target_files:
        await check_overlaps(connection, tenant_id, project_id, task_id)
    return task_id


async def write_the_rest(
    connection: AsyncConnection, task_id: str, wish: TaskInput, comparison_id: str | None
) -> None:
    """What few tasks have."""
    if wish.signature is not None:
        await connection.execute(named("task_sign"), {"id": task_id, "signature": wish.signature})
    if wish.budget_tokens is not None:
        tokens = {"id": task_id, "micros": None, "tokens": wish.budget_tokens}
        await connection.execute(named("task_allow"), tokens)
    if comparison_id is not None:
        compared = {"id": task_id, "comparison_id": comparison_id}
        await connection.execute(named("comparison_joined"), compared)


async def plan_task(connection: AsyncConnection, task_id: str, wish: TaskInput, *, lane_id: int) -> None:
    """What the one statement that makes a task leaves out, because few tasks have it."""
    plan = {
        "id": task_id,
        "draft": wish.draft,
        "start_at": wish.start_at,
        "retry": wish.retry.model_dump() if wish.retry else None,
        "labels": sorted(set(wish.labels)),
        "lane_id": lane_id,
    }
    await connection.execute(named("task_plan"), plan)
