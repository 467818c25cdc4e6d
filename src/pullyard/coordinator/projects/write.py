"""Create, edit and remove a project."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.costs.budgets import set_daily
from pullyard.coordinator.edits import check_version
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.projects.refs import (
    check_branch,
    check_default_agent,
    check_repository,
    check_rules,
)
from pullyard.coordinator.tasks.lanes import relabel_tasks
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.workflows.choose import check_added_nodes, with_needs_of_project
from pullyard.lifecycle.automation import AutomationState
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import Project, ProjectInput, ProjectPatch
from pullyard.store.queries import named


def name_taken() -> Conflict:
    return Conflict("There is another project of this name.", code="name-taken")


async def create_project(connection: AsyncConnection, tenant_id: str, wish: ProjectInput) -> Project:
    """Its automation runs from the start. Raises Conflict ``name-taken``."""
    check_repository(wish.repository)
    check_branch(wish.default_branch)
    check_rules(wish.change_rules)
    check_default_agent(wish.agent)
    check_added_nodes(wish.workflow_nodes)
    project_id = new_id(Kind.PROJECT)
    wished = wish.model_dump(mode="json")
    parameters = {
        **wished,
        "labels": with_needs_of_project(
            wish.labels, wished["workflow_nodes"], wish.isolation, wished["agent"]
        ),
        "id": project_id,
        "tenant_id": tenant_id,
        "automation": AutomationState.RUNNING,
    }
    try:
        await connection.execute(named("project_create"), parameters)
    except IntegrityError as error:
        raise name_taken() from error
    if wish.daily_budget_micros is not None:
        await set_daily(connection, tenant_id, project_id, wish.daily_budget_micros)
    await tell(connection, "project.created", TaskNews(tenant_id, project_id), {"name": wish.name})
    return await read_project(connection, tenant_id, project_id)


async def edit_project(
    connection: AsyncConnection, tenant_id: str, project_id: str, patch: ProjectPatch, if_match: str | None
) -> Project:
    await lock_project(connection, tenant_id, project_id)
    project = await read_project(connection, tenant_id, project_id)
    check_version(if_match, project.version)
    check_branch(patch.default_branch)
    check_rules(patch.change_rules)
    check_default_agent(patch.agent)
    check_added_nodes(patch.workflow_nodes or [])
    current = project.model_dump(mode="json")
    given: dict[str, Any] = patch.model_dump(mode="json", exclude_unset=True)
    for name in (
        "name",
        "agent",
        "setup_commands",
        "limits",
        "retry",
        "text_policy",
        "forge",
        "change_rules",
        "forge_events",
        "automation_policy",
        "labels",
        "max_running",
        "workflow_nodes",
        "isolation",
    ):
        if given.get(name, current[name]) is None:
            del given[name]
    if given.keys() & {"labels", "workflow_nodes", "isolation", "agent"}:
        given["labels"] = with_needs_of_project(
            given.get("labels", current["labels"]),
            given.get("workflow_nodes", current["workflow_nodes"]),
            patch.isolation or project.isolation,
            given.get("agent", current["agent"]),
        )
    try:
        await connection.execute(
            named("project_edit"),
            {**{name: current[name] for name in ProjectPatch.model_fields}, **given, "id": project_id},
        )
    except IntegrityError as error:
        raise name_taken() from error
    if "daily_budget_micros" in given:
        await set_daily(connection, tenant_id, project_id, given["daily_budget_micros"])
    if "labels" in given:
        await relabel_tasks(connection, tenant_id, project_id)
    await tell(connection, "project.edited", TaskNews(tenant_id, project_id), {"fields": sorted(given)})
    return await read_project(connection, tenant_id, project_id)


async def remove_project(connection: AsyncConnection, tenant_id: str, project_id: str) -> None:
    """Only while it has no tasks: what was done is kept."""
    await connection.execute(named("webhooks_lock"), {"tenant_id": tenant_id, "project_id": project_id})
    await lock_project(connection, tenant_id, project_id)
    removed = await connection.execute(named("project_remove"), {"id": project_id})
    if removed.rowcount == 0:
        raise Conflict("A project that has tasks can't be removed.", code="project-not-empty")
    await tell(connection, "project.removed", TaskNews(tenant_id, project_id), {})
