"""Rules and received events as people and programs read them."""

from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.protocol.intake import EventRule, ReceivedEvent
from pullyard.store.queries import named


def rule_resource(row: Any) -> EventRule:
    return EventRule.model_validate(dict(row))


def received_resource(row: Any) -> ReceivedEvent:
    return ReceivedEvent.model_validate(dict(row))


async def list_rules(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    rule_id: str | None = None,
    project_id: str | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    wanted = {
        "tenant_id": tenant_id,
        "id": rule_id,
        "project_id": project_id,
        "before": before_id,
        "limit": limit,
    }
    return list((await connection.execute(named("rules_list"), wanted)).mappings())


async def read_rule(connection: AsyncConnection, tenant_id: str, rule_id: str) -> EventRule:
    rows = await list_rules(connection, tenant_id, rule_id=rule_id)
    if not rows:
        raise NotFound("event rule")
    return rule_resource(rows[0])


async def list_received(
    connection: AsyncConnection,
    tenant_id: str,
    *,
    received_id: str | None = None,
    matched: bool | None = None,
    before_id: str | None = None,
    limit: int = 1,
) -> list[RowMapping]:
    wanted = {
        "tenant_id": tenant_id,
        "id": received_id,
        "matched": matched,
        "before": before_id,
        "limit": limit,
    }
    return list((await connection.execute(named("received_list"), wanted)).mappings())
