"""Where messages leave: each outlet counts what its client has not taken yet."""

import asyncio
import time
from collections import deque
from typing import Protocol

from pullyard.coordinator.hub.frames import Shared, text_frame
from pullyard.coordinator.hub.socket_protocol import SocketProtocol

BEHIND_BYTES = 1024 * 1024
"""A client that is further behind gets nothing live any more: it is read for from where it is."""
ROOM_BYTES = 64 * 1024
"""Below this the reading for a client that is behind goes on; uvicorn's own bound is the same."""


class Outlet(Protocol):
    """``write`` never waits, so whoever writes looks at ``buffered_bytes`` first."""

    written_bytes: int
    """All that was ever written; less what is buffered it tells whether the client reads."""

    @property
    def buffered_bytes(self) -> int: ...

    @property
    def closed(self) -> bool: ...

    def write(self, message: Shared, label: bytes) -> None: ...

    async def room(self) -> None:
        """Returns when a few more messages may be written, or the client is gone."""
        ...


class SocketOutlet:
    """Writes whole frames to the transport of a WebSocket, past everything in between."""

    def __init__(self, protocol: SocketProtocol) -> None:
        self._protocol = protocol
        self.written_bytes = 0

    @property
    def buffered_bytes(self) -> int:
        return self._protocol.transport.get_write_buffer_size()

    @property
    def closed(self) -> bool:
        return self._protocol.over

    def write(self, message: Shared, label: bytes) -> None:
        if not self._protocol.over:
            frame = message.frame(label)
            self.written_bytes += sum(map(len, frame))
            self._protocol.transport.writelines(frame)

    def say(self, text: bytes) -> None:
        """A message that is about no subscription."""
        if not self._protocol.over:
            frame = text_frame(text)
            self.written_bytes += len(frame)
            self._protocol.transport.write(frame)

    async def room(self) -> None:
        await self._protocol.writable.wait()

    def abort(self) -> None:
        """Without a farewell, which a client that does not read would never take."""
        self._protocol.transport.abort()


class SseOutlet:
    """Holds what a response has still to send, as references to messages that all clients share."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.buffered_bytes = 0
        self.written_bytes = 0
        self.closed = False
        self.taken_at: float | None = time.monotonic()
        """When the response took something last; None while it waits for something to take."""

    def write(self, message: Shared, label: bytes) -> None:
        """``label`` says nothing here: a response has one subscription."""
        del label
        # An event without an id leaves the client's place as it was.
        place = b"" if message.position is None else b"id: %d\n" % message.position
        self.put(place + b"event: %s\ndata: " % message.type.encode(), message.body, b"\n\n")

    def put(self, *pieces: bytes) -> None:
        if self.closed:
            return
        length = sum(map(len, pieces))
        self._waiting.extend(pieces)
        self.buffered_bytes += length
        self.written_bytes += length
        self._news.set()
        if self.buffered_bytes > ROOM_BYTES:
            self._room.clear()

    async def take(self, seconds: float) -> bytes:
        """What is to be sent next; empty after ``seconds`` without anything."""
        self.taken_at = None
        try:
            return await self._take(seconds)
        finally:
            self.taken_at = time.monotonic()

    async def _take(self, seconds: float) -> bytes:
        if not self._waiting:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return b""
        taken: list[bytes] = []
        length = 0
        while self._waiting and length < ROOM_BYTES:
            taken.append(self._waiting.popleft())
            length += len(taken[-1])
        self.buffered_bytes -= length
        if self.buffered_bytes <= ROOM_BYTES:
            self._room.set()
        return b"".join(taken)

    async def room(self) -> None:
        await self._room.wait()

    def close(self) -> None:
        self.closed = True
        self._waiting.clear()
        self.buffered_bytes = 0
        self._room.set()
        self._news.set()
