"""The live feed over one WebSocket, resumed by cursor and offset after every lost connection."""

import base64
import time
from collections.abc import Iterator
from threading import Event
from types import TracebackType
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from pullyard.protocol.errors import ProtocolViolation, RemoteFailure, RequestError
from pullyard.protocol.stream import (
    Completion,
    ExecutionLog,
    ExecutionUpdate,
    Pong,
    StreamError,
    Subscribed,
    SubscribeEvents,
    SubscribeLog,
)
from pullyard.sdk.transport import API, Unauthenticated, Unreachable

ServerMessage = Annotated[
    ExecutionUpdate | ExecutionLog | Completion | Subscribed | StreamError | Pong, Field(discriminator="type")
]
_messages: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)

MESSAGE_BYTES = 8 << 20
GIVE_UP_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
UNAUTHORIZED = (401, 403)


class Silence(BaseModel):
    """Nothing came for as long as the reader wanted to wait."""

    type: Literal["silence"] = "silence"


class LogData(BaseModel):
    """A piece of one log stream, ``data`` as it was written."""

    type: Literal["log-data"] = "log-data"
    subscription: str
    execution_id: str
    stream: str
    offset: int
    data: bytes


Heard = ExecutionUpdate | LogData | Completion | Subscribed | StreamError | Silence


class Stream:
    """Many subscriptions on one connection. Nothing is lost or doubled over a reconnect.

    Raises Unreachable when the coordinator stays away longer than ``GIVE_UP_SECONDS``.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token
        self._connection: ClientConnection | None = None
        self._subscriptions: dict[str, SubscribeEvents | SubscribeLog] = {}
        # Never set: an interruptible wait between two tries to connect.
        self._never = Event()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def subscribe(self, wish: SubscribeEvents | SubscribeLog) -> None:
        self._subscriptions[wish.id] = wish
        if self._connection is not None:
            try:
                self._connection.send(wish.model_dump_json())
            except WebSocketException:
                # The reader reconnects, and subscribes to all again.
                self.close()

    def hear(self, silence_seconds: float) -> Iterator[Heard]:
        """What comes, for ever; a Silence after each ``silence_seconds`` without a message."""
        while True:
            connection = self._connection or self._connect()
            try:
                raw = connection.recv(timeout=silence_seconds)
            except TimeoutError:
                yield Silence()
                continue
            except (WebSocketException, OSError):
                self._connection = None
                continue
            message = _decode(raw)
            if isinstance(message, ExecutionLog):
                yield self._log_data(message)
            elif not isinstance(message, Pong):
                self._remember(message)
                yield message

    def _log_data(self, message: ExecutionLog) -> LogData:
        data = message.data.encode() if message.encoding == "utf-8" else base64.b64decode(message.data)
        wish = self._subscriptions.get(message.subscription)
        if isinstance(wish, SubscribeLog):
            wish.offset = message.offset + len(data)
        return LogData(
            subscription=message.subscription,
            execution_id=message.execution_id,
            stream=message.stream,
            offset=message.offset,
            data=data,
        )

    def _remember(self, message: ExecutionUpdate | Completion | Subscribed | StreamError) -> None:
        if isinstance(message, Completion):
            self._subscriptions.pop(message.subscription, None)
        elif isinstance(message, ExecutionUpdate | Subscribed) and message.cursor is not None:
            wish = self._subscriptions.get(message.subscription)
            if isinstance(wish, SubscribeEvents):
                wish.cursor = message.cursor

    def _connect(self) -> ClientConnection:
        address = "ws" + self._url.removeprefix("http") + API + "/stream"
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                connection = connect(
                    address, additional_headers=headers, compression=None, max_size=MESSAGE_BYTES, proxy=None
                )
            except InvalidStatus as error:
                _raise_for_status(error)
            except (OSError, WebSocketException) as error:
                if time.monotonic() > give_up_at:
                    raise Unreachable(self._url, str(error) or type(error).__name__) from error
            else:
                self._connection = connection
                for wish in self._subscriptions.values():
                    connection.send(wish.model_dump_json())
                return connection
            self._never.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def follow_events(
    stream: Stream, *, project_id: str | None = None, cursor: int | None = None
) -> Iterator[ExecutionUpdate]:
    """Every event after ``cursor``; None begins with what comes next. Never ends."""
    stream.subscribe(SubscribeEvents(id="events", project_id=project_id, cursor=cursor))
    for heard in stream.hear(LONGEST_PAUSE_SECONDS):
        if isinstance(heard, StreamError):
            raise RequestError(heard.message, code=heard.code)
        if isinstance(heard, ExecutionUpdate):
            yield heard


def follow_log(stream: Stream, execution_id: str, name: str, *, offset: int = 0) -> Iterator[LogData]:
    """The bytes of one log from ``offset`` on; ends when the log is complete."""
    stream.subscribe(SubscribeLog(id=name, execution_id=execution_id, stream=name, offset=offset))
    for heard in stream.hear(LONGEST_PAUSE_SECONDS):
        if isinstance(heard, StreamError):
            raise RequestError(heard.message, code=heard.code)
        if isinstance(heard, Completion):
            return
        if isinstance(heard, LogData):
            yield heard


def _decode(raw: str | bytes) -> ServerMessage:
    try:
        return _messages.validate_json(raw)
    except ValidationError as error:
        raise ProtocolViolation(
            "The coordinator's message can't be read; are both sides of the same version?", local=False
        ) from error


def _raise_for_status(error: InvalidStatus) -> None:
    status = error.response.status_code
    if status in UNAUTHORIZED:
        raise Unauthenticated("The coordinator refused the token.", code="unauthenticated", status=status)
    raise RemoteFailure(f"The live feed answered {status}.", retryable=False)
