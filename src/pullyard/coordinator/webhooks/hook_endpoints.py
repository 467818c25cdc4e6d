"""The webhooks of a project, for people: where a forge is to send its events, and what came of them."""

from fastapi import APIRouter, Request

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.news import events_written
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.services import ServicesNeeded, services_of
from pullyard.coordinator.webhooks.write import (
    create_webhook,
    list_webhooks,
    remove_webhook,
    webhook_resource,
)
from pullyard.protocol.resources import Page
from pullyard.protocol.webhooks import Webhook, WebhookInput

router = APIRouter(prefix="/api/v1/projects/{project_id}/webhooks", tags=["webhooks"])


def place_of(request: Request) -> str:
    return (services_of(request).settings.public_url or str(request.base_url)).rstrip("/")


@router.get("")
async def list_all(
    project_id: str,
    request: Request,
    person: Person,
    services: ServicesNeeded,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[Webhook]:
    """Each with its newest deliveries and what came of them; without the secrets."""
    async with services.database.transaction() as connection:
        await read_project(connection, person.tenant_id, project_id)
        rows = await list_webhooks(
            connection, person.tenant_id, project_id, before_id=before(cursor), limit=limit + 1
        )
    place = place_of(request)
    return page(rows, limit, lambda row: webhook_resource(row, place))


@router.post("", status_code=201)
async def create(
    project_id: str, wish: WebhookInput, request: Request, person: Person, services: ServicesNeeded
) -> Webhook:
    """Its secret is shown this once. To change it make another webhook, and remove this one."""
    async with services.database.transaction() as connection:
        webhook = await create_webhook(connection, person.tenant_id, project_id, wish, place_of(request))
    events_written(services)
    return webhook


@router.delete("/{webhook_id}", status_code=204)
async def remove(project_id: str, webhook_id: str, person: Person, services: ServicesNeeded) -> None:
    """What its forge sends from now on is answered as if it had never been."""
    async with services.database.transaction() as connection:
        await remove_webhook(connection, person.tenant_id, project_id, webhook_id)
    events_written(services)
