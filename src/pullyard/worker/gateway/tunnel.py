"""Bytes between two sockets until both have ended."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pullyard.worker.gateway.splice import Moved, splice

IDLE_SECONDS = 300.0
TOTAL_SECONDS = 6 * 3600.0


class Tunnel:
    """Used once. ``left`` and ``right`` don't block and stay the caller's."""

    def __init__(self, left: socket.socket, right: socket.socket) -> None:
        self.left = left
        self.right = right
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()

    async def run(self, opening: Callable[[], Awaitable[bytes]], sent: Moved, received: Moved) -> None:
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

    async def _begin(self, opening: Callable[[], Awaitable[bytes]], sent: Moved) -> None:
        first = await opening()
        await self._loop.sock_sendall(self.right, first)
        sent(len(first))
        await self._pump(self.left, self.right, sent)

    async def _pump(self, source: socket.socket, sink: socket.socket, moved: Moved) -> None:
        """Until the source's end, which the sink is told."""

        def count(size: int) -> None:
            self._moved_at = self._loop.time()
            moved(size)

        await splice(source, sink, count)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
