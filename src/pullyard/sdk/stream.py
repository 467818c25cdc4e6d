"""The live feed over one WebSocket, resumed by cursor and offset after every lost connection."""

import base64
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Event
from types import TracebackType
from typing import Literal, get_args
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from pullyard.protocol.errors import ProtocolViolation, RemoteFailure, RequestError
from pullyard.protocol.resources import Task, TaskInput
from pullyard.protocol.stream import (
    Completion,
    CreateTask,
    ExecutionLog,
    ExecutionUpdate,
    Ping,
    Pong,
    ServerMessage,
    Snapshot,
    StreamError,
    Subscribed,
    SubscribeEvents,
    SubscribeLog,
    TaskCreated,
    Unsubscribe,
)
from pullyard.sdk.transport import API, Unauthenticated, Unreachable

_messages: TypeAdapter[ServerMessage] = TypeAdapter(ServerMessage)
KNOWN_TYPES = frozenset(
    kind
    for model in (
        ExecutionUpdate,
        ExecutionLog,
        Completion,
        Subscribed,
        Snapshot,
        TaskCreated,
        StreamError,
        Ping,
        Pong,
    )
    for kind in get_args(model.model_fields["type"].annotation)
)

MESSAGE_BYTES = 8 << 20
GIVE_UP_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
DEAD_SECONDS = 50.0
"""The coordinator says something every 20 s; one that was silent for so long is taken for gone."""
CLOSE_SECONDS = 1.0
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


Heard = ExecutionUpdate | LogData | Completion | Subscribed | Snapshot | TaskCreated | StreamError | Silence


class Stream:
    """Many subscriptions on one connection. Nothing is lost or doubled over a reconnect.

    Raises Unreachable when the coordinator stays away longer than ``GIVE_UP_SECONDS``.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url
        self._token = token
        self._connection: ClientConnection | None = None
        self._open = ExitStack()
        self._subscriptions: dict[str, SubscribeEvents | SubscribeLog] = {}
        self._heard_at = 0.0
        # What this connection has confirmed; a ping speaks of nothing else.
        self._standing: set[str] = set()
        # What came while something else was waited for; it is heard next.
        self._kept: deque[Heard] = deque()
        # Never set: an interruptible wait between two tries to connect.
        self._never = Event()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection = None
        self._open.close()

    def subscribe(self, wish: SubscribeEvents | SubscribeLog) -> None:
        self._subscriptions[wish.id] = wish
        self._say(wish)

    def unsubscribe(self, name: str) -> None:
        """A few messages that were on their way may still be heard."""
        if self._subscriptions.pop(name, None) is not None:
            self._say(Unsubscribe(id=name))

    def create_task(self, project_id: str, task: TaskInput, *, idempotency_key: str | None = None) -> Task:
        """The new task; one, however often the connection breaks on the way.

        Raises RequestError where it is refused. What is heard meanwhile is kept for ``hear``.
        """
        wish = CreateTask(
            request_id=uuid4().hex,
            project_id=project_id,
            task=task,
            idempotency_key=idempotency_key or uuid4().hex,
        )
        asked_over = None
        while True:
            connection = self._connection or self._connect()
            if asked_over is not connection:
                asked_over = connection
                self._say(wish)
            match self._next(LONGEST_PAUSE_SECONDS):
                case TaskCreated(request_id=wish.request_id) as answer:
                    return answer.task
                case StreamError(request_id=wish.request_id, code="idempotency-in-flight"):
                    # Its first copy is still being worked on, over the connection that broke.
                    self._never.wait(FIRST_PAUSE_SECONDS)
                    asked_over = None
                case StreamError(request_id=wish.request_id) as error:
                    raise RequestError(error.message, code=error.code)
                case None | Silence():
                    pass
                case heard:
                    self._kept.append(heard)

    def hear(self, silence_seconds: float) -> Iterator[Heard]:
        """What comes, for ever; a Silence after each ``silence_seconds`` without a message."""
        while True:
            heard = self._kept.popleft() if self._kept else self._next(silence_seconds)
            if heard is not None:
                yield heard

    def _next(self, silence_seconds: float) -> Heard | None:
        """None for a sign of life, and where the connection broke: ask again."""
        connection = self._connection or self._connect()
        try:
            raw = connection.recv(timeout=silence_seconds)
        except TimeoutError:
            if time.monotonic() - self._heard_at > DEAD_SECONDS:
                self.close()
            return Silence()
        except (WebSocketException, OSError):
            self.close()
            return None
        self._heard_at = time.monotonic()
        message = _decode(raw)
        match message:
            case None | Pong():
                return None
            case Ping():
                self._live(message)
                return None
            case ExecutionLog():
                return self._log_data(message)
            case _:
                self._remember(message)
                return message

    def _say(self, message: BaseModel) -> None:
        if self._connection is not None:
            try:
                self._connection.send(message.model_dump_json(exclude_none=True))
            except (WebSocketException, OSError):
                # The reader reconnects, and subscribes to all again.
                self.close()

    def _live(self, ping: Ping) -> None:
        for name in self._standing:
            wish = self._subscriptions.get(name)
            if ping.cursor is not None and isinstance(wish, SubscribeEvents):
                # So far there was nothing more for it: a reconnect need not look there again.
                wish.cursor = max(ping.cursor, wish.cursor or 0)
        self._say(Pong())

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

    def _remember(
        self, message: ExecutionUpdate | Completion | Subscribed | Snapshot | TaskCreated | StreamError
    ) -> None:
        match message:
            case Completion() | StreamError(subscription=str()):
                self._subscriptions.pop(message.subscription or "", None)
            case ExecutionUpdate() | Subscribed(cursor=int()):
                self._standing.add(message.subscription)
                wish = self._subscriptions.get(message.subscription)
                if isinstance(wish, SubscribeEvents):
                    wish.cursor = message.cursor
            case Snapshot():
                wish = self._subscriptions.get(message.subscription)
                if isinstance(wish, SubscribeEvents):
                    # It is wanted once; after a break there are the events since.
                    wish.snapshot = False
            case _:
                pass

    def _connect(self) -> ClientConnection:
        address = "ws" + self._url.removeprefix("http") + API + "/stream"
        headers = {"authorization": f"Bearer {self._token}"} if self._token else {}
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                # Its own pings would not be answered while nobody here takes what has come.
                opening = connect(
                    address,
                    additional_headers=headers,
                    compression=None,
                    max_size=MESSAGE_BYTES,
                    proxy=None,
                    ping_interval=None,
                    close_timeout=CLOSE_SECONDS,
                )
                connection = self._open.enter_context(opening)
            except InvalidStatus as error:
                _raise_for_status(error)
            except (OSError, WebSocketException) as error:
                if time.monotonic() > give_up_at:
                    raise Unreachable(self._url, str(error) or type(error).__name__) from error
            else:
                self._connection = connection
                self._heard_at = time.monotonic()
                self._standing.clear()
                for wish in tuple(self._subscriptions.values()):
                    self._say(wish)
                if self._connection is connection:
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


def _decode(raw: str | bytes) -> ServerMessage | None:
    """None for a type of message that only a newer coordinator knows."""
    try:
        message = from_json(raw)
        if isinstance(message, dict) and message.get("type") not in KNOWN_TYPES:
            return None
        return _messages.validate_python(message)
    except ValueError as error:
        raise ProtocolViolation(
            "The coordinator's message can't be read; are both sides of the same version?", local=False
        ) from error


def _raise_for_status(error: InvalidStatus) -> None:
    status = error.response.status_code
    if status in UNAUTHORIZED:
        raise Unauthenticated("The coordinator refused the token.", code="unauthenticated", status=status)
    raise RemoteFailure(f"The live feed answered {status}.", retryable=False)
