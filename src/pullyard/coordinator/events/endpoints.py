"""The event feed over HTTP, by cursor."""

import asyncio
import contextlib
from typing import Annotated

from fastapi import APIRouter, Query

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.protocol.resources import Event, Page
from pullyard.store.feed import StoredEvent

router = APIRouter(prefix="/api/v1/events", tags=["events"])

MAX_WAIT_SECONDS = 60.0


def event_resource(event: StoredEvent) -> Event:
    return Event(
        cursor=event.cursor,
        kind=event.kind,
        project_id=event.project_id,
        task_id=event.task_id,
        execution_id=event.execution_id,
        payload=event.payload,
        at=event.at,
    )


@router.get("")
async def list_events(
    person: Person,
    services: ServicesNeeded,
    cursor: Annotated[int, Query(ge=0, le=2**62)] = 0,
    project_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="seconds to wait for news")] = 0.0,
) -> Page[Event]:
    """Oldest first, after `cursor`. `next` is always there: it is the cursor to go on from."""
    events, following = await read_events(services, person.tenant_id, cursor, limit, project_id)
    if not events and wait > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not events and not services.stopping.is_set():
                    await news_or_stop(services, following)
                    events, following = await read_events(
                        services, person.tenant_id, following, limit, project_id
                    )
    return Page[Event](items=[event_resource(event) for event in events], next=str(following))


async def read_events(
    services: Services, tenant_id: str, after: int, limit: int, project_id: str | None
) -> tuple[list[StoredEvent], int]:
    events, following = await services.feed.read(after, limit, tenant_id=tenant_id)
    if project_id is not None:
        events = [event for event in events if event.project_id == project_id]
    return events, following


async def news_or_stop(services: Services, cursor: int) -> None:
    """Returns when there may be an event after ``cursor`` or the coordinator stops."""
    waits = (
        asyncio.ensure_future(services.feed.wait_beyond(cursor)),
        asyncio.ensure_future(services.stopping.wait()),
    )
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in waits:
            one.cancel()
