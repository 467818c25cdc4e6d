"""Make, list and remove the webhooks of a project."""

import base64
import secrets

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.webhooks.receive import repository_path
from pullyard.coordinator.webhooks.registry import READERS
from pullyard.forges.sites import Sites
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.webhooks import SHOWN_DELIVERIES, Webhook, WebhookInput
from pullyard.store.queries import named

WEBHOOKS_A_PROJECT = 20


async def create_webhook(
    connection: AsyncConnection, tenant_id: str, project_id: str, wish: WebhookInput, place: str
) -> Webhook:
    """With its secret. ``place`` is what its address begins with. Raises NotFound, RequestError."""
    project = await read_project(connection, tenant_id, project_id)
    forge = wish.forge or Sites().kind(project.repository, project.forge)
    if forge not in READERS:
        raise RequestError(
            f"Say whose webhook it is ({', '.join(READERS)}): the project's address does not tell.",
            code="forge-unknown",
        )
    repository_path(forge, project.repository)
    await lock_project(connection, tenant_id, project_id)
    if (
        await connection.scalar(named("webhooks_count"), {"project_id": project_id}) or 0
    ) >= WEBHOOKS_A_PROJECT:
        raise RequestError(f"A project has at most {WEBHOOKS_A_PROJECT} webhooks.", code="too-many")
    # As GitLab wants the key of its signatures; to the others it is any text.
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    row = {
        "id": new_id(Kind.WEBHOOK),
        "tenant_id": tenant_id,
        "project_id": project_id,
        "forge": forge,
        "secret": secret,
    }
    await connection.execute(named("webhook_create"), row)
    payload = {"webhook_id": row["id"], "forge": forge}
    await tell(connection, "webhook.created", TaskNews(tenant_id, project_id), payload)
    [made] = await list_webhooks(connection, tenant_id, project_id, webhook_id=row["id"])
    return webhook_resource(made, place).model_copy(update={"secret": secret})


def webhook_resource(row: RowMapping, place: str) -> Webhook:
    shown = {"url": f"{place}/webhooks/v1/{row['id']}", "events": READERS[row["forge"]].events}
    return Webhook.model_validate({**row, **shown})


async def list_webhooks(
    connection: AsyncConnection,
    tenant_id: str,
    project_id: str,
    *,
    webhook_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    wanted = {
        "tenant_id": tenant_id,
        "project_id": project_id,
        "id": webhook_id,
        "before": before_id,
        "limit": limit,
        "deliveries": SHOWN_DELIVERIES,
    }
    return list((await connection.execute(named("webhooks_list"), wanted)).mappings())


async def remove_webhook(
    connection: AsyncConnection, tenant_id: str, project_id: str, webhook_id: str
) -> None:
    wanted = {"tenant_id": tenant_id, "project_id": project_id, "id": webhook_id}
    if (await connection.execute(named("webhook_remove"), wanted)).rowcount == 0:
        raise NotFound("webhook")
    payload = {"webhook_id": webhook_id}
    await tell(connection, "webhook.removed", TaskNews(tenant_id, project_id), payload)
