"""``/api/v1/stream``: one WebSocket, many subscriptions, each a task of its own."""

import asyncio
import contextlib

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from pullyard.coordinator.auth.identify import Person, Principal, person
from pullyard.coordinator.hub.subscriptions import follow_events, follow_log
from pullyard.coordinator.services import Services, ServicesNeeded, services_of
from pullyard.protocol.errors import RequestError
from pullyard.protocol.stream import (
    ClientMessage,
    Ping,
    Pong,
    StreamError,
    SubscribeEvents,
    SubscribeLog,
    Unsubscribe,
)
from pullyard.store.errors import DATABASE_AWAY

router = APIRouter(prefix="/api/v1", tags=["stream"])

MAX_SUBSCRIPTIONS = 100
MAX_MESSAGE_CHARACTERS = 16 * 1024
# Also how late an open connection notices that its credential was revoked.
CHECK_SECONDS = 5.0
_CLOSED_BY_POLICY = 1008
_CLOSED_FOR_RESTART = 1012
_messages: TypeAdapter[ClientMessage] = TypeAdapter(ClientMessage)
logger = structlog.get_logger(__name__)


class Ticket(BaseModel):
    ticket: str
    """Good for one connection within half a minute: ``/api/v1/stream?ticket=…``."""


@router.post("/stream/ticket", status_code=201)
async def give_ticket(caller: Person, services: ServicesNeeded) -> Ticket:
    return Ticket(ticket=services.tickets.give(caller))


@router.websocket("/stream")
async def stream(socket: WebSocket) -> None:
    services = services_of(socket)
    try:
        principal = await identify(socket, services)
    except RequestError as error:
        # Closed before it is accepted: the client sees 403 and no socket.
        logger.info("stream refused", code=error.code)
        await socket.close(_CLOSED_BY_POLICY)
        return
    await socket.accept()
    await Connection(socket, services, principal).run()


async def identify(socket: WebSocket, services: Services) -> Principal:
    ticket = socket.query_params.get("ticket")
    if ticket and (principal := services.tickets.use(ticket)) is not None:
        return principal
    return await person(socket)


class Connection:
    """Reads the client's messages; each subscription sends for itself, one message at a time."""

    def __init__(self, socket: WebSocket, services: Services, principal: Principal) -> None:
        self._socket = socket
        self._services = services
        self._principal = principal
        self._sending = asyncio.Lock()
        self._subscriptions: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until the client leaves, the coordinator stops or the credential is revoked."""
        parts = [
            asyncio.ensure_future(part) for part in (self._listen(), self._stopped(), self._still_welcome())
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting = [*parts, *self._subscriptions.values()]
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            code = _CLOSED_FOR_RESTART if self._services.stopping.is_set() else _CLOSED_BY_POLICY
            await self._socket.close(code)

    async def _stopped(self) -> None:
        await self._services.stopping.wait()

    async def _still_welcome(self) -> None:
        authenticator = self._services.authenticator
        revoked = authenticator.revoked
        while await authenticator.still_valid(self._principal):
            await self._services.wait_for(revoked, CHECK_SECONDS)
            revoked = authenticator.revoked

    async def _listen(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                raw = await self._socket.receive_text()
                if len(raw) > MAX_MESSAGE_CHARACTERS:
                    await self._error(None, "message-too-long", "This message is too long.")
                    continue
                try:
                    message = _messages.validate_json(raw)
                except ValidationError as error:
                    await self._error(None, "invalid-message", error.errors()[0]["msg"])
                    continue
                await self._take(message)

    async def _take(self, message: ClientMessage) -> None:
        match message:
            case Ping():
                await self._send(Pong())
            case Unsubscribe():
                if task := self._subscriptions.pop(message.id, None):
                    task.cancel()
            case SubscribeEvents() | SubscribeLog():
                if message.id in self._subscriptions:
                    await self._error(message.id, "subscription-exists", "This id is in use already.")
                elif len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
                    await self._error(message.id, "too-many-subscriptions", "Unsubscribe from one first.")
                else:
                    self._subscriptions[message.id] = asyncio.ensure_future(self._follow(message))

    async def _follow(self, wish: SubscribeEvents | SubscribeLog) -> None:
        tenant_id = self._principal.tenant_id
        try:
            if isinstance(wish, SubscribeEvents):
                await follow_events(self._services, tenant_id, wish, self._send)
            else:
                await follow_log(self._services, tenant_id, wish, self._send)
        except RequestError as error:
            await self._error(wish.id, error.code, error.message)
        except DATABASE_AWAY as error:
            logger.warning("subscription broken", error=type(error).__name__)
            await self._error(wish.id, "interrupted", "Subscribe again from where you are.")
        except (WebSocketDisconnect, RuntimeError):
            # The client left while something was being sent; the listener notices it as well.
            logger.debug("client left")
        finally:
            if self._subscriptions.get(wish.id) is asyncio.current_task():
                del self._subscriptions[wish.id]

    async def _error(self, subscription: str | None, code: str, words: str) -> None:
        await self._send(StreamError(subscription=subscription, code=code, message=words))

    async def _send(self, message: BaseModel) -> None:
        async with self._sending:
            await self._socket.send_text(message.model_dump_json())
