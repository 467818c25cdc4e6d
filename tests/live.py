"""A raw client of the live stream: what a test says and hears is what goes over the WebSocket."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from pullyard.protocol.worker import Grant
from tests.coordinator import RunningCoordinator, WireWorker

Message = dict[str, Any]
PATIENCE_SECONDS = 60


@asynccontextmanager
async def listening(
    coordinator: RunningCoordinator, *, query: str = "", token: str | None = "", **options: Any
) -> AsyncIterator[ClientConnection]:
    """``token`` empty stands for the owner's."""
    secret = coordinator.token if token == "" else token
    headers = {"authorization": f"Bearer {secret}"} if secret else {}
    address = coordinator.url.replace("http", "ws", 1) + "/api/v1/stream" + query
    wanted = {
        "additional_headers": headers,
        "proxy": None,
        "max_size": 2**24,
        "ping_interval": None,
        **options,
    }
    async with asyncio.timeout(PATIENCE_SECONDS), connect(address, **wanted) as socket:
        yield socket


async def say(socket: ClientConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def hear(socket: ClientConnection) -> Message:
    """The next message that is no sign of life."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] != "ping":
            return message


async def subscribe(socket: ClientConnection, kind: str, **fields: Any) -> Message:
    await say(socket, kind, **{"id": "one", **fields})
    return await hear(socket)


async def begin(coordinator: RunningCoordinator) -> tuple[WireWorker, Grant]:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    return worker, await worker.claim()


def data_of(message: Message) -> bytes:
    text: str = message["data"]
    return text.encode() if message["encoding"] == "utf-8" else base64.b64decode(text)


async def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """For what nothing tells of: looks again and again."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")
