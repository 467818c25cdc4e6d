"""The raw limit of a fan-out: the same ready-made frame written to every connection, round after round."""

import asyncio
import sys
from typing import cast

import uvloop

UNREAD_BYTES = 1024 * 1024


class Listener(asyncio.Protocol):
    """Counts as there once it has said anything; what it says once all are there begins the writing."""

    def __init__(self, there: list[asyncio.Transport], said: asyncio.Event) -> None:
        self._there = there
        self._said = said
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if data.endswith(b"go"):
            self._said.set()
        else:
            self._there.append(self._transport)
            self._transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")


async def serve(rounds: int, frame: bytes, last: bytes) -> None:
    there: list[asyncio.Transport] = []
    said = asyncio.Event()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Listener(there, said), "127.0.0.1", 0, backlog=2000)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await said.wait()
    for _ in range(rounds):
        for transport in there:
            transport.write(frame)
        await asyncio.sleep(0)
        # The frames that wait are references to one, but the kernel needs a moment to take them.
        most = max(transport.get_write_buffer_size() for transport in there)
        if most > UNREAD_BYTES:
            await asyncio.sleep(0.05)
    for transport in there:
        transport.write(last)
    await asyncio.sleep(3600)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])))
