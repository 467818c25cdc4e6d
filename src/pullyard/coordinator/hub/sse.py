"""Server-sent events for simple clients: one subscription a response, resumed by ``Last-Event-ID``."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Path, Query, Request, Response
from starlette.responses import StreamingResponse

from pullyard.coordinator.auth.identify import Person, Principal
from pullyard.coordinator.hub.greet import greet
from pullyard.coordinator.hub.http_protocol import transport_of
from pullyard.coordinator.hub.hub import Client
from pullyard.coordinator.hub.outlets import SseOutlet
from pullyard.coordinator.hub.subscriber import Subscriber
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.protocol.errors import RequestError
from pullyard.protocol.stream import MAX_CURSOR, MAX_PROJECTS, SubscribeEvents, SubscribeLog

router = APIRouter(prefix="/api/v1", tags=["stream"])

KEEP_ALIVE = b": still here\n\n"
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
NAME = "sse"
NO_NUL = r"^[^\x00]*$"
logger = structlog.get_logger(__name__)
RESPONSES: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Goes on for ever"}
}
LastEventId = Annotated[
    str | None, Header(max_length=30, description="where a broken stream goes on; an `EventSource` sends it")
]
Place = Annotated[int, Query(ge=0, le=MAX_CURSOR)]
Id = Annotated[str, Query(min_length=1, max_length=100, pattern=NO_NUL)]


@router.get("/events/stream", response_class=StreamingResponse, responses=RESPONSES)
async def stream_events(
    person: Person,
    services: ServicesNeeded,
    request: Request,
    project_id: Annotated[list[Id] | None, Query(max_length=MAX_PROJECTS)] = None,
    task_id: Id | None = None,
    cursor: Annotated[Place | None, Query(description="null begins with what comes next")] = None,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Every event of the live feed, each with its cursor as the event's id.

    The event's type and data are those of the WebSocket's messages, without `subscription`.
    """
    if project_id and task_id:
        raise RequestError("Give either project_id or task_id.")
    place = place_of(last_event_id)
    wish = SubscribeEvents(
        id=NAME,
        project_ids=project_id or None,
        task_id=task_id,
        cursor=cursor if place is None else place,
    )
    await check(services, person, wish)
    return answer(request, services, person, wish)


@router.get(
    "/executions/{execution_id}/logs/{stream}/stream",
    response_class=StreamingResponse,
    responses={**RESPONSES, 204: {"description": "The log is complete, and all of it was sent"}},
)
async def stream_log(
    execution_id: Annotated[str, Path(max_length=100, pattern=NO_NUL)],
    stream: Annotated[str, Path(max_length=50, pattern=r"^[a-z][a-z0-9-]*$")],
    person: Person,
    services: ServicesNeeded,
    request: Request,
    offset: Place = 0,
    last_event_id: LastEventId = None,
) -> Response:
    """A log as it is written. An event's id is the offset after it; `completion` is the last event."""
    place = place_of(last_event_id)
    wish = SubscribeLog(
        id=NAME, execution_id=execution_id, stream=stream, offset=offset if place is None else place
    )
    if await check(services, person, wish) and place is not None:
        # An EventSource asks again after every end; this answer stops it.
        return Response(status_code=204)
    return answer(request, services, person, wish)


def place_of(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if not last_event_id.isascii() or not last_event_id.isdigit() or int(last_event_id) > MAX_CURSOR:
        raise RequestError("Last-Event-ID is the id of an event that came before.")
    return int(last_event_id)


async def check(services: Services, caller: Principal, wish: SubscribeEvents | SubscribeLog) -> bool:
    """True where there is nothing to send and never will be. Raises what a subscription would be refused for,
    while a status can still say so."""
    greeting = (await greet(services, caller.tenant_id, [wish]))[0]
    if greeting.error is not None:
        raise greeting.error
    return greeting.over


def answer(
    request: Request, services: Services, caller: Principal, wish: SubscribeEvents | SubscribeLog
) -> StreamingResponse:
    services.hub.check_room(caller)
    client = Listener(services, caller, transport_of(request))
    return StreamingResponse(client.run(wish), media_type="text/event-stream", headers=HEADERS)


class Listener(Client):
    """uvicorn takes the next piece when the client has taken enough of the last ones; the outlet holds the
    rest up to its bound, and beyond it the store does."""

    def __init__(self, services: Services, caller: Principal, transport: asyncio.Transport) -> None:
        self.principal = caller
        self._services = services
        self._transport = transport
        self._outlet = SseOutlet()
        self.subscriber = Subscriber(
            services.hub.followings, caller.tenant_id, self._outlet, self._outlet.close
        )

    async def run(self, wish: SubscribeEvents | SubscribeLog) -> AsyncIterator[bytes]:
        settings = self._services.settings
        with self._services.hub.admitted(self):
            self.subscriber.subscribe(wish)
            try:
                while not self._outlet.closed:
                    # A subscription that has ended leaves its last word behind.
                    if not len(self.subscriber) and not self._outlet.buffered_bytes:
                        return
                    piece = await self._outlet.take(settings.stream_ping_seconds)
                    if piece or not self._outlet.closed:
                        yield piece or KEEP_ALIVE
            finally:
                self._outlet.close()

    async def refuse(self) -> None:
        self._outlet.close()

    def leave(self) -> None:
        self._outlet.close()

    def beat(self, now: float) -> None:
        """The response waits with each piece until the client has taken most of those before it."""
        taken_at = self._outlet.taken_at
        if taken_at is not None and now - taken_at > self._services.settings.stream_silence_seconds:
            logger.info("silent client closed", buffered_bytes=self._outlet.buffered_bytes)
            self._transport.abort()
