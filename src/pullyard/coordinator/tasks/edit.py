"""Edit a task that nobody has taken yet."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.agents.registry import check_settings
from pullyard.coordinator.edits import check_version
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.refs import check_branch
from pullyard.coordinator.tasks.dependencies import set_dependencies
from pullyard.coordinator.tasks.lanes import lane_of
from pullyard.coordinator.tasks.read import read_task
from pullyard.coordinator.tasks.release import release_task
from pullyard.coordinator.tasks.transition import lock_task
from pullyard.coordinator.workflows.choose import PROTOCOL_LABEL, with_agent, with_needs
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import Task, TaskPatch
from pullyard.store.queries import named

_EDITABLE = frozenset({TaskState.PENDING, TaskState.QUEUED, TaskState.FAILED, TaskState.CANCELLED})
_HELD_OR_QUEUED = frozenset({TaskState.PENDING, TaskState.QUEUED})
_NEVER_NULL = frozenset(
    {
        "title",
        "description",
        "acceptance_criteria",
        "target_files",
        "priority",
        "labels",
        "depends_on",
        "draft",
    }
)
_TIMING = frozenset({"depends_on", "draft", "start_at"})
_HOLDING = _TIMING | {"target_files", "base_branch", "priority"}
"""What may keep it from the queue."""
_WHEN = _TIMING | {"priority"}
"""What does not change who answers for the task, nor whose key of a model's provider it runs on."""
_PLAN = _TIMING | {"labels", "retry", "agent"}


_COMPARED = frozenset(
    {
        *("title", "description", "acceptance_criteria", "target_files", "verify_commands", "base_branch"),
        "agent",
    }
)
"""What the candidates of a comparison have in common, and what they differ in."""


async def edit_task(
    connection: AsyncConnection,
    tenant_id: str,
    task_id: str,
    patch: TaskPatch,
    if_match: str | None,
    *,
    member_id: str | None,
) -> Task:
    """``member_id`` is who edits, None where nobody is known; from then on only their own key is spent on it.

    Raises Conflict while it runs or when it is completed: the work was begun on what it said.
    """
    row = await lock_task(connection, tenant_id, task_id)
    check_version(if_match, row.version)
    if row.state not in _EDITABLE:
        raise Conflict(
            f"A task that is {row.state} can't be edited.",
            code="not-editable",
            details={"state": row.state, "editable": sorted(_EDITABLE)},
        )
    if row.comparison_id is not None and not _COMPARED.isdisjoint(patch.model_fields_set):
        raise Conflict(
            "This task is compared with others that have the same text: make a new comparison instead.",
            code="compared",
            details={"comparison_id": row.comparison_id},
        )
    check_branch(patch.base_branch)
    if patch.agent is not None:
        check_settings(patch.agent.name, patch.agent.settings)
    current = await read_task(connection, tenant_id, task_id)
    given = {
        name: value
        for name, value in patch.model_dump(exclude_unset=True).items()
        if value is not None or name not in _NEVER_NULL
    }
    values = {**current.model_dump(include=set(TaskPatch.model_fields)), **given}
    whose = {"member_id": member_id, "answers": not given.keys() <= _WHEN}
    await connection.execute(named("task_edit"), {**values, **whose, "id": task_id})
    if not _PLAN.isdisjoint(given):
        await edit_plan(connection, row, values, given)
    if row.state in _HELD_OR_QUEUED and not _HOLDING.isdisjoint(given):
        await release_task(connection, await lock_task(connection, row.tenant_id, row.id))
    about = TaskNews(tenant_id, row.project_id, task_id)
    await tell(connection, "task.edited", about, {"state": row.state, "fields": sorted(given)})
    return await read_task(connection, tenant_id, task_id)


async def edit_plan(
    connection: AsyncConnection, row: Any, values: dict[str, Any], given: Mapping[str, Any]
) -> None:
    """Labels, dependencies, start, draft and tries."""
    labels = with_needs(values["labels"], needed=PROTOCOL_LABEL in row.labels)
    labels = with_agent(labels, values["agent"])
    moved = not given.keys().isdisjoint({"labels", "agent"})
    lane_id = await lane_of(connection, row, labels) if moved else row.lane_id
    plan = {name: values[name] for name in ("draft", "start_at", "retry")}
    await connection.execute(named("task_plan"), {**plan, "labels": labels, "lane_id": lane_id, "id": row.id})
    if lane_id != row.lane_id and row.state == TaskState.QUEUED:
        await connection.execute(named("queue_add_lane"), {"project_id": row.project_id, "lane_id": lane_id})
    if "depends_on" in given:
        await set_dependencies(connection, row.project_id, row.id, values["depends_on"])
