"""Make, edit and remove a rule."""

from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.agents.registry import check_settings
from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.edits import check_version
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.intake.places import as_like
from pullyard.coordinator.intake.read import read_rule
from pullyard.coordinator.projects.refs import check_branch
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.protocol.intake import EventRule, EventRuleInput, EventRulePatch, EventTask
from pullyard.store.queries import named

RULES_A_PROJECT = 100


def name_taken() -> Conflict:
    return Conflict("The project has another rule of this name.", code="name-taken")


def stored(template: EventTask) -> dict[str, Any]:
    """What was said of it. Raises RequestError where an event could never make a task of it."""
    check_branch(template.base_branch)
    if template.agent is not None:
        check_settings(template.agent.name, template.agent.settings)
    return template.model_dump(mode="json", exclude_unset=True)


async def create_rule(
    connection: AsyncConnection, caller: Principal, project_id: str, wish: EventRuleInput
) -> EventRule:
    """Raises RequestError, NotFound for the project, Conflict ``name-taken``."""
    await lock_project(connection, caller.tenant_id, project_id)
    count = await connection.scalar(named("rules_count"), {"project_id": project_id})
    if count is not None and count >= RULES_A_PROJECT:
        raise RequestError(f"A project has at most {RULES_A_PROJECT} rules.", code="too-many")
    rule_id = new_id(Kind.RULE)
    parameters = {
        **wish.model_dump(mode="json", exclude={"task"}),
        "id": rule_id,
        "tenant_id": caller.tenant_id,
        "member_id": caller.member_id,
        "project_id": project_id,
        "type_like": as_like(wish.type_pattern),
        "source_like": as_like(wish.source_pattern),
        "template": stored(wish.task),
    }
    try:
        await connection.execute(named("rule_create"), parameters)
    except IntegrityError as error:
        raise name_taken() from error
    about = TaskNews(caller.tenant_id, project_id)
    await tell(connection, "event-rule.created", about, {"rule_id": rule_id, "name": wish.name})
    return await read_rule(connection, caller.tenant_id, rule_id)


async def edit_rule(
    connection: AsyncConnection,
    tenant_id: str,
    rule_id: str,
    patch: EventRulePatch,
    if_match: str | None,
) -> EventRule:
    """It is for the events that come from now on."""
    await lock_project(connection, tenant_id, (await read_rule(connection, tenant_id, rule_id)).project_id)
    current = await read_rule(connection, tenant_id, rule_id)
    check_version(if_match, current.version)
    given = patch.model_dump(mode="json", exclude_unset=True, exclude={"task"}, exclude_none=True)
    values = {**current.model_dump(mode="json"), **given}
    template = stored(patch.task) if patch.task else current.task.model_dump(mode="json", exclude_unset=True)
    try:
        await connection.execute(
            named("rule_edit"),
            {
                **{name: values[name] for name in EventRulePatch.model_fields if name != "task"},
                "type_like": as_like(values["type_pattern"]),
                "source_like": as_like(values["source_pattern"]),
                "template": template,
                "id": rule_id,
            },
        )
    except IntegrityError as error:
        raise name_taken() from error
    about = TaskNews(tenant_id, current.project_id)
    payload = {"rule_id": rule_id, "fields": sorted(patch.model_fields_set)}
    await tell(connection, "event-rule.edited", about, payload)
    return await read_rule(connection, tenant_id, rule_id)


async def remove_rule(connection: AsyncConnection, tenant_id: str, rule_id: str) -> None:
    rule = await read_rule(connection, tenant_id, rule_id)
    await connection.execute(named("rule_remove"), {"id": rule_id, "tenant_id": tenant_id})
    about = TaskNews(tenant_id, rule.project_id)
    await tell(connection, "event-rule.removed", about, {"rule_id": rule_id})
