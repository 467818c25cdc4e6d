"""Events in: an issue was labelled, a build failed, another agent asks; each becomes tasks by rules."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from pullyard.coordinator.auth.identify import Person, Sender
from pullyard.coordinator.intake.envelope import BATCH, PLAIN, STRUCTURED, read_events
from pullyard.coordinator.intake.read import list_received, received_resource
from pullyard.coordinator.intake.receive import receive
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import ServicesNeeded
from pullyard.protocol.errors import NotFound
from pullyard.protocol.intake import Event, PlainEvent, ReceivedEvent, Reception
from pullyard.protocol.resources import Page

router = APIRouter(prefix="/api/v1", tags=["events in"])


def described(model: type[BaseModel]) -> dict[str, Any]:
    """Its schema; what that refers to is among the document's own, because the answers hold it too."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema


_EVENT = described(Event)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "With `ce-` headers the body is the event's data, of any kind.",
        "content": {
            PLAIN: {"schema": described(PlainEvent)},
            STRUCTURED: {"schema": _EVENT},
            BATCH: {"schema": {"type": "array", "items": _EVENT, "maxItems": 100}},
        },
    }
}


@router.post("/events", openapi_extra=_BODY, responses={201: {"model": Reception}})
async def send(request: Request, sender: Sender, services: ServicesNeeded, response: Response) -> Reception:
    """Hands events in; answered once they and their tasks are committed.

    201 where one of them is new, 200 where all were received before. A token of the kind `events` suffices.
    """
    events = read_events(request.headers, await request.body())
    async with services.database.transaction() as connection:
        reception = await receive(connection, sender.tenant_id, events)
    queue_changed(services)
    response.status_code = 200 if all(event.duplicate for event in reception.events) else 201
    return reception


@router.get("/received-events")
async def list_all(
    person: Person,
    services: ServicesNeeded,
    matched: Annotated[bool | None, Query(description="false: only those that made no task")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ReceivedEvent]:
    """Newest first, for a week by default."""
    async with services.database.transaction() as connection:
        rows = await list_received(
            connection,
            person.tenant_id,
            matched=matched,
            before_id=before(cursor),
            limit=limit + 1,
        )
    return page(rows, limit, received_resource)


@router.get("/received-events/{received_id}")
async def show(received_id: str, person: Person, services: ServicesNeeded) -> ReceivedEvent:
    async with services.database.transaction() as connection:
        rows = await list_received(connection, person.tenant_id, received_id=received_id)
    if not rows:
        raise NotFound("received event")
    return received_resource(rows[0])
