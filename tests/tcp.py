"""A connection whose last words are heard.

A stream of asyncio's forgets what it holds when a write to the closed connection fails, or a reset comes,
before that was read. The system keeps it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

PATIENCE_SECONDS = 60


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[socket.socket]:
    """To a port of this machine, for the loop's own calls on sockets."""
    with socket.socket() as link:
        link.settimeout(0)
        await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", port))
        yield link


async def all_from(link: socket.socket) -> bytes:
    """What has arrived before the end, or before a reset, which takes nothing from what came before it."""
    loop = asyncio.get_running_loop()
    data = b""
    with suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while piece := await loop.sock_recv(link, 1 << 16):
                data += piece
    return data


async def send(link: socket.socket, raw: bytes, *, ends: bool) -> None:
    """As much of it as the other side takes."""
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(link, raw)
        if ends:
            link.shutdown(socket.SHUT_WR)


async def answer_to(raw: bytes, port: int, *, ends: bool = False) -> bytes:
    """All that comes until the other side closes; with ``ends`` the client has no more to say."""
    async with connected(port) as link:
        sending = asyncio.create_task(send(link, raw, ends=ends))
        try:
            return await all_from(link)
        finally:
            sending.cancel()
            await asyncio.wait([sending])


@contextmanager
def nobody() -> Iterator[str]:
    """An address that refuses connections; no other process gets it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
