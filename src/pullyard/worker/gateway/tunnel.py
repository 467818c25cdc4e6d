"""Bytes between two sockets until both have ended, moved by the kernel: they never come into this process.

What is read is what could be written: a slow side holds the fast one back, and nothing piles up.
"""

import asyncio
import fcntl
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

PIPE_BYTES = 1 << 20
IDLE_SECONDS = 300.0
TOTAL_SECONDS = 6 * 3600.0
TURN_PIECES = 16
"""Moved before the worker's other work gets its turn."""

Moved = Callable[[int], None]


class Tunnel:
    """Used once. ``left`` and ``right`` don't block and stay the caller's."""

    def __init__(self, left: socket.socket, right: socket.socket) -> None:
        self.left = left
        self.right = right
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()

    async def run(self, opening: Awaitable[bytes], sent: Moved, received: Moved) -> None:
        """``opening`` takes the first bytes of left and gives what may be passed on, or raises.

        ``sent`` is told of the bytes from left to right. Raises ConnectionError, TimeoutError, OSError.
        """
        pumps = [
            asyncio.ensure_future(self._begin(opening, sent)),
            asyncio.ensure_future(self._pump(self.right, self.left, received)),
        ]
        until = self._loop.time() + TOTAL_SECONDS
        try:
            running = set(pumps)
            while running:
                left = min(self._moved_at + IDLE_SECONDS, until) - self._loop.time()
                if left <= 0:
                    raise TimeoutError("The tunnel was idle for too long, or open for too long.")
                ended, running = await asyncio.wait(
                    running, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                for pump in ended:
                    pump.result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _begin(self, opening: Awaitable[bytes], sent: Moved) -> None:
        first = await opening
        await self._loop.sock_sendall(self.right, first)
        sent(len(first))
        await self._pump(self.left, self.right, sent)

    async def _pump(self, source: socket.socket, sink: socket.socket, moved: Moved) -> None:
        """Until the source's end, which the sink is told."""
        come, go = source.fileno(), sink.fileno()
        pieces = 0
        with _pipe() as (out, into):
            while True:
                try:
                    size = os.splice(come, into, PIPE_BYTES, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
                except BlockingIOError:
                    await self._ready(self._loop.add_reader, self._loop.remove_reader, come)
                    continue
                if size == 0:
                    break
                self._moved_at = self._loop.time()
                await self._empty(out, go, size)
                moved(size)
                pieces += 1
                if pieces % TURN_PIECES == 0:
                    await asyncio.sleep(0)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    async def _empty(self, out: int, go: int, size: int) -> None:
        while size > 0:
            try:
                size -= os.splice(out, go, size, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer, go)

    async def _ready(
        self, add: Callable[..., object], remove: Callable[[int], object], descriptor: int
    ) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        add(descriptor, lambda: ready.done() or ready.set_result(None))
        try:
            await ready
        finally:
            remove(descriptor)


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    out, into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # An ordinary account may have used up what it may pin; the smaller pipe works too.
        with suppress(PermissionError):
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield out, into
    finally:
        os.close(out)
        os.close(into)
