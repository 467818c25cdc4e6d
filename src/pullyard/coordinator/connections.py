"""What a stranger may cost before anybody knows who it is: connections, long heads, slow requests.

uvicorn's own limit looks at whole requests only. A connection that never ends its head, or sends its body a
byte at a time, would be kept for ever, and a head without end would be kept in memory.
"""

import asyncio
import json
import resource
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
BODY_BYTES_A_SECOND = 16 * 1024
"""So fast must a body come on average, after the first seconds, which even a small one may take."""
LOOK_SECONDS = 1.0
SPARE_FILES = 200
"""For the database, the logs and whatever else the process opens."""


@dataclass(frozen=True)
class Limits:
    connections: int
    head_seconds: float
    body_seconds: float
    refused: Callable[[str], None]
    """Is told why a connection was closed: ``many``, ``head`` or ``slow``."""


class Waits(Enum):
    """What the connection has to send next."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class Answer:
    """The transport of one answer: its head waits for its body, and both leave by one call of the system.

    A head that no body follows at once leaves by itself, in the next turn of the loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head: bytes | None = None
        self._begun = False

    def write(self, data: bytes) -> None:
        if self._begun:
            head, self._head = self._head, None
            self._transport.writelines([data] if head is None else [head, data])
            return
        self._begun, self._head = True, data
        self._loop.call_soon(self.flush)

    def flush(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self._transport.is_closing():
            self._transport.write(head)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self.flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """One HTTP connection, until it becomes a WebSocket. A request that comes in one piece costs no timer."""

    limits: Limits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waits = Waits.HEAD
        self._since = 0.0
        self._head_bytes = 0
        self._body_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            words = "There are too many connections now; try again soon."
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "many", words)
            return
        self._since = self.loop.time()
        self._set_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._waits is Waits.NOTHING:
            self._waits, self._since = Waits.HEAD, self.loop.time()
        if self._waits is Waits.HEAD:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._waits is Waits.NOTHING:
            self._stop_timer()
        elif self._waits is Waits.HEAD and self._head_bytes > HEAD_BYTES:
            words = f"A request's head has {HEAD_BYTES} bytes at most."
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head", words)
        elif self._timer is None:
            self._set_timer()

    def on_message_begin(self) -> None:
        # A request may begin in the piece in which the one before it ended.
        self._waits, self._since = Waits.HEAD, self.loop.time()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # After the head come trailers, which nothing here reads, so there is no reason to keep any.
        if self._waits is Waits.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._waits, self._since = Waits.BODY, self.loop.time()
        self._head_bytes = self._body_bytes = 0
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            # It has not begun: its task is only scheduled.
            self.cycle.transport = cast("asyncio.Transport", Answer(self.transport, self.loop))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._waits = Waits.NOTHING
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._waits = Waits.NOTHING
        super().handle_websocket_upgrade()

    def _look(self) -> None:
        now = self.loop.time()
        self._timer = None
        if self.flow.read_paused:
            # The application does not read: it is not the caller who is slow.
            self._since, self._body_bytes = now, 0
        elapsed = now - self._since
        late = elapsed > self.limits.head_seconds
        if self._waits is Waits.BODY:
            late = self._body_bytes < (elapsed - self.limits.body_seconds) * BODY_BYTES_A_SECOND
        if late:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "slow", "The request came too slowly.")
        else:
            self._set_timer()

    def _refuse(self, status: HTTPStatus, why: str, sentence: str) -> None:
        self.limits.refused(why)
        self._stop_timer()
        # In the middle of an answer there is no place for another one.
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self.transport.write(refusal(status, f"connection-{why}", sentence))
        self.transport.close()

    def _set_timer(self) -> None:
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def refusal(status: HTTPStatus, code: str, sentence: str) -> bytes:
    """A whole answer with the same shape as every other problem."""
    body = json.dumps(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status,
            "detail": sentence,
            "code": code,
            "details": {},
        }
    )
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\n"
        f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def bounded(limits: Limits, *also: type[HttpToolsProtocol]) -> type[BoundedProtocol]:
    """The class that uvicorn makes one of for each connection; ``also`` are others that add to it."""
    return type("Bounded", (BoundedProtocol, *also), {"limits": limits})


def raise_file_limit() -> int:
    """As many open files as this account may have; how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(SPARE_FILES, hard - SPARE_FILES) if hard != resource.RLIM_INFINITY else 1 << 20
