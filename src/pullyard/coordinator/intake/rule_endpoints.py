"""Rules: which events become tasks of a project."""

from fastapi import APIRouter, Response

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.edits import IfMatch, set_etag
from pullyard.coordinator.intake.read import list_rules, read_rule, rule_resource
from pullyard.coordinator.intake.rules import create_rule, edit_rule, remove_rule
from pullyard.coordinator.news import events_written
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.intake import EventRule, EventRuleInput, EventRulePatch
from pullyard.protocol.resources import Page

router = APIRouter(prefix="/api/v1", tags=["event rules"])


@router.get("/projects/{project_id}/event-rules")
async def list_all(
    project_id: str, person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[EventRule]:
    async with services.database.transaction() as connection:
        await read_project(connection, person.tenant_id, project_id)
        rows = await list_rules(
            connection, person.tenant_id, project_id=project_id, before_id=before(cursor), limit=limit + 1
        )
    return page(rows, limit, rule_resource)


@router.post("/projects/{project_id}/event-rules", status_code=201)
async def create(
    project_id: str, wish: EventRuleInput, person: Person, services: ServicesNeeded, response: Response
) -> EventRule:
    """Events of this type and source, for which the conditions hold, become tasks as `task` says."""
    async with services.database.transaction() as connection:
        rule = await create_rule(connection, person, project_id, wish)
    events_written(services)
    set_etag(response, rule.version)
    response.headers["location"] = f"/api/v1/event-rules/{rule.id}"
    return rule


@router.get("/event-rules/{rule_id}")
async def show(rule_id: str, person: Person, services: ServicesNeeded, response: Response) -> EventRule:
    async with services.database.transaction() as connection:
        rule = await read_rule(connection, person.tenant_id, rule_id)
    set_etag(response, rule.version)
    return rule


@router.patch("/event-rules/{rule_id}")
async def edit(
    rule_id: str,
    patch: EventRulePatch,
    person: Person,
    services: ServicesNeeded,
    response: Response,
    if_match: IfMatch = None,
) -> EventRule:
    """Changes the fields that are given, for the events that come from now on."""
    async with services.database.transaction() as connection:
        rule = await edit_rule(connection, person.tenant_id, rule_id, patch, if_match)
    events_written(services)
    set_etag(response, rule.version)
    return rule


@router.delete("/event-rules/{rule_id}", status_code=204)
async def remove(rule_id: str, person: Person, services: ServicesNeeded) -> None:
    async with services.database.transaction() as connection:
        await remove_rule(connection, person.tenant_id, rule_id)
    events_written(services)
