"""``/api/v1/stream``: one WebSocket, many subscriptions."""

import time

import msgspec
import structlog
from fastapi import APIRouter
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from pullyard.coordinator.auth.identify import Person, Principal, person
from pullyard.coordinator.hub.create_task import create_over_socket
from pullyard.coordinator.hub.frames import label_of
from pullyard.coordinator.hub.hub import Client
from pullyard.coordinator.hub.outlets import BEHIND_BYTES, SocketOutlet
from pullyard.coordinator.hub.socket_protocol import protocol_of
from pullyard.coordinator.hub.subscriber import Subscriber, error_message
from pullyard.coordinator.hub.tickets import give_ticket, use_ticket
from pullyard.coordinator.problems import problem
from pullyard.coordinator.services import Services, ServicesNeeded, services_of
from pullyard.protocol.errors import RequestError
from pullyard.protocol.stream import (
    ClientMessage,
    CreateTask,
    Ping,
    Pong,
    StreamError,
    SubscribeEvents,
    SubscribeLog,
    Unsubscribe,
)

router = APIRouter(prefix="/api/v1", tags=["stream"])

MAX_MESSAGE_BYTES = 1024 * 1024
"""A task may be so long. Beyond twice of it the connection is closed before the message is there."""
SHOWN_CHARACTERS = 500
_CLOSED_BY_POLICY = 1008
_BROKEN = 1011
_messages: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
_PONG = Pong().model_dump_json().encode()
logger = structlog.get_logger(__name__)


class Ticket(BaseModel):
    ticket: str
    """Good for one connection within half a minute: ``/api/v1/stream?ticket=…``."""


@router.post("/stream/ticket", status_code=201)
async def give(caller: Person, services: ServicesNeeded) -> Ticket:
    """For a browser that can't send a header with its WebSocket."""
    return Ticket(ticket=await give_ticket(services.database, caller))


@router.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    services = services_of(socket)
    try:
        principal = await identify(socket, services)
        connection = Connection(socket, services, principal)
        with services.hub.admitted(connection):
            await socket.accept()
            await connection.listen()
    except RequestError as error:
        # Refused before it is accepted: there is no socket yet.
        logger.info("stream refused", code=error.code)
        # Every way of not being known looks the same.
        refusal = error if error.status == 429 else RequestError("You may not listen here.", status=403)
        await deny(socket, problem(refusal.status, refusal.message, refusal.code))


async def deny(socket: WebSocket, response: Response) -> None:
    await socket.send_denial_response(response)


async def identify(socket: WebSocket, services: Services) -> Principal:
    ticket = socket.query_params.get("ticket")
    if ticket and (principal := await use_ticket(services.database, ticket)) is not None:
        return principal
    return await person(socket)


class Connection(Client):
    """Takes one message of the client after the other; what is followed is sent by the fan-outs."""

    def __init__(self, socket: WebSocket, services: Services, principal: Principal) -> None:
        self.principal = principal
        self._socket = socket
        self._services = services
        self._protocol = protocol_of(socket)
        self._outlet = SocketOutlet(self._protocol)
        self.subscriber = Subscriber(
            services.hub.followings, principal.tenant_id, self._outlet, self._outlet.abort
        )
        now = time.monotonic()
        self._heard_at = self._moved_at = self._pinged_at = now
        self._drained_bytes = 0

    async def listen(self) -> None:
        """Until the client leaves or the connection is closed from here."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard_at = time.monotonic()
            # Who does not read what it is answered is not listened to either.
            if self._outlet.buffered_bytes > BEHIND_BYTES:
                await self._outlet.room()
            text = message.get("text")
            if text is None:
                self._complain("binary-message", "Messages are JSON, sent as text.")
            elif len(text) > MAX_MESSAGE_BYTES:
                self._complain("message-too-long", f"A message has {MAX_MESSAGE_BYTES} bytes at most.")
            else:
                await self._take(text)

    async def _take(self, text: str) -> None:
        try:
            message = _messages.validate_json(text)
        except ValidationError as error:
            self._complain("invalid-message", sentence_of(error))
            return
        match message:
            case Ping():
                self._outlet.say(_PONG)
            case Pong():
                pass
            case Unsubscribe():
                self.subscriber.unsubscribe(message.id)
            case CreateTask():
                # Who subscribed before is told of the task.
                await self.subscriber.greeted.wait()
                said = await create_over_socket(self._socket, self._services, self.principal, message)
                self._outlet.say(said)
            case SubscribeEvents() | SubscribeLog():
                try:
                    self.subscriber.subscribe(message)
                except RequestError as error:
                    self._outlet.write(error_message(error), label_of(message.id))

    def _complain(self, code: str, words: str) -> None:
        error = StreamError(code=code, message=words[:SHOWN_CHARACTERS])
        self._outlet.say(error.model_dump_json().encode())

    def beat(self, now: float) -> None:
        """A client whose buffers are full proves that it lives by taking from them, any other by a word."""
        settings = self._services.settings
        buffered = self._outlet.buffered_bytes
        drained = self._outlet.written_bytes - buffered
        if not buffered or drained > self._drained_bytes:
            self._moved_at = now
        alive_at = self._moved_at if buffered else self._heard_at
        if buffered and drained > self._drained_bytes:
            self._heard_at = now
        self._drained_bytes = drained
        if now - alive_at > settings.stream_silence_seconds:
            logger.info("silent client closed", buffered_bytes=buffered)
            self._outlet.abort()
        elif now - self._pinged_at >= settings.stream_ping_seconds and buffered < BEHIND_BYTES:
            self._pinged_at = now
            self._outlet.say(msgspec.json.encode({"type": "ping", "v": 1, "cursor": self.subscriber.cursor}))

    async def refuse(self) -> None:
        await self._close(_CLOSED_BY_POLICY)

    def leave(self) -> None:
        """The server itself says goodbye to all who read; the others would hold it up."""
        if not self._protocol.writable.is_set():
            self._outlet.abort()

    async def _close(self, code: int) -> None:
        if self._protocol.over:
            return
        if not self._protocol.writable.is_set():
            self._outlet.abort()
            return
        try:
            await self._socket.close(code)
        except (RuntimeError, WebSocketDisconnect):
            logger.debug("client left by itself")


def sentence_of(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}." if place else f"{first['msg']}."
