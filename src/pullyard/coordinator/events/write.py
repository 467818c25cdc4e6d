"""Events are written in the transaction that they tell of, under the project's lock."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.store.feed import append_event


@dataclass(frozen=True)
class TaskNews:
    """What an event is about; the readers filter by these."""

    tenant_id: str
    project_id: str | None = None
    task_id: str | None = None
    execution_id: str | None = None


async def tell(connection: AsyncConnection, kind: str, about: TaskNews, payload: dict[str, Any]) -> None:
    await append_event(
        connection,
        tenant_id=about.tenant_id,
        kind=kind,
        project_id=about.project_id,
        task_id=about.task_id,
        execution_id=about.execution_id,
        payload=payload,
    )
