"""Many subscriptions, clients that do not read, and clients that say nothing."""

import asyncio
import contextlib
import json
import socket as sockets
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from pullyard.coordinator.hub.outlets import BEHIND_BYTES
from pullyard.coordinator.hub.socket_protocol import MAX_FRAGMENTS
from pullyard.coordinator.hub.subscriber import MAX_SUBSCRIPTIONS
from tests.coordinator import RunningCoordinator, running_coordinator
from tests.live import begin, hear, listening, say, subscribe, until

PIECE = b"0123456789abcde\n" * (2**16 - 1)
SILENCE_SECONDS = 3600.0
# One message more than the bound, and what the frames around it take.
MOST_BUFFERED = BEHIND_BYTES + 600 * 1024


@contextlib.asynccontextmanager
async def deaf(coordinator: RunningCoordinator) -> AsyncIterator[asyncio.StreamWriter]:
    """A WebSocket that reads its handshake and nothing more, with small buffers on its side."""
    place = urlsplit(coordinator.url)
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    raw.settimeout(0)
    await asyncio.get_running_loop().sock_connect(raw, (place.hostname, place.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    writer.write(
        f"GET /api/v1/stream HTTP/1.1\r\nHost: {place.netloc}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {b64encode(b'0' * 16).decode()}\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {coordinator.token}\r\n\r\n".encode()
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    try:
        yield writer
    finally:
        writer.transport.abort()


def shout(writer: asyncio.StreamWriter, kind: str, **fields: object) -> None:
    frame = Frame(Opcode.TEXT, json.dumps({"type": kind, **fields}).encode())
    writer.write(frame.serialize(mask=True))


def buffered(coordinator: RunningCoordinator) -> int:
    hub = coordinator.served.services.hub
    return sum(client.subscriber.outlet.buffered_bytes for client in hub.clients)


async def test_ten_thousand_subscriptions_share_one_socket(coordinator: RunningCoordinator) -> None:
    project_id = await coordinator.project()
    hub = coordinator.served.services.hub
    async with listening(coordinator) as socket, listening(coordinator) as other:
        await subscribe(other, "subscribe-events")

        async def ask() -> None:
            for number in range(MAX_SUBSCRIPTIONS):
                await say(socket, "subscribe-events", id=str(number), project_id=project_id)

        asking = asyncio.create_task(ask())
        for _ in range(MAX_SUBSCRIPTIONS):
            assert (await hear(socket))["type"] == "subscribed"
        await asking
        assert (await subscribe(socket, "subscribe-events", id="x"))["code"] == "too-many-subscriptions"
        await until(lambda: all(client.subscriber.cursor is not None for client in hub.clients))
        # Neither a task nor a read each.
        assert len(asyncio.all_tasks()) < 60
        task = await coordinator.task(project_id)
        assert (await hear(other))["task_id"] == task["id"]
        heard = [await hear(socket) for _ in range(MAX_SUBSCRIPTIONS)]
        assert {one["subscription"] for one in heard} == {str(n) for n in range(MAX_SUBSCRIPTIONS)}
        assert {one["task_id"] for one in heard} == {task["id"]}


async def test_a_client_that_never_reads_costs_a_bounded_buffer_and_holds_nobody_up(
    coordinator: RunningCoordinator,
) -> None:
    worker, grant = await begin(coordinator)
    about = {"execution_id": grant.execution_id, "stream": "implement"}
    most = 0
    async with deaf(coordinator) as writer, listening(coordinator) as quick:
        for number in range(20):
            shout(writer, "subscribe-log", id=f"log {number}", **about)
            shout(writer, "subscribe-events", id=f"events {number}", cursor=0)
        await subscribe(quick, "subscribe-log", **about)
        length = 0
        for number in range(12):
            assert (await worker.log(grant, PIECE, offset=number * len(PIECE))).status_code == 200
            while length < (number + 1) * len(PIECE):
                length += (await hear(quick))["size_bytes"]
                most = max(most, buffered(coordinator))
        assert 0 < most < MOST_BUFFERED


async def test_a_client_that_never_reads_is_cut_off(database_url: str) -> None:
    async with running_coordinator(database_url, stream_silence_seconds=1.0) as coordinator:
        worker, grant = await begin(coordinator)
        async with deaf(coordinator) as writer:
            about = {"execution_id": grant.execution_id, "stream": "implement"}
            for number in range(20):
                shout(writer, "subscribe-log", id=str(number), **about)
            most = 0
            for number in range(3):
                await worker.log(grant, PIECE, offset=number * len(PIECE))
                most = max(most, buffered(coordinator))
            await until(lambda: max(most, buffered(coordinator)) > 0)
            # What it says does not count while it takes nothing.
            while len(coordinator.served.services.hub):
                shout(writer, "ping")
                await asyncio.sleep(0.02)
            assert buffered(coordinator) == 0


async def test_pings_and_wishes_of_a_client_that_never_reads_pile_up_nowhere(
    coordinator: RunningCoordinator,
) -> None:
    async with deaf(coordinator) as writer:
        ping = Frame(Opcode.PING, b"x" * 125).serialize(mask=True)
        wrong = Frame(Opcode.TEXT, b"{" + b"x" * 1000).serialize(mask=True)
        most = 0
        for _ in range(400):
            writer.write(ping * 100 + wrong * 20)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await writer.drain()
            most = max(most, buffered(coordinator))
            if writer.transport.get_write_buffer_size() > 2**20:
                # The coordinator does not listen any more.
                break
        assert most < MOST_BUFFERED


async def test_empty_fragments_without_end_close_the_connection(coordinator: RunningCoordinator) -> None:
    async with deaf(coordinator) as writer:
        writer.write(Frame(Opcode.TEXT, b"", fin=False).serialize(mask=True))
        writer.write(Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * (MAX_FRAGMENTS + 1))
        await until(lambda: not len(coordinator.served.services.hub))
        assert buffered(coordinator) == 0


async def test_both_sides_give_signs_of_life(database_url: str) -> None:
    settings = {"stream_ping_seconds": 0.1, "stream_silence_seconds": SILENCE_SECONDS}
    async with (
        running_coordinator(database_url, **settings) as coordinator,
        listening(coordinator) as silent,
        listening(coordinator) as lively,
    ):
        await subscribe(lively, "subscribe-events")
        began = time.monotonic()
        for _ in range(12):
            message = json.loads(await lively.recv())
            assert message["type"] == "ping"
            await say(lively, "pong")
        assert message["cursor"] is not None
        # As if so much time had passed since the silent one was last heard; it has had its pings too.
        for client in coordinator.served.services.hub.clients:
            client.beat(began + SILENCE_SECONDS)
        with pytest.raises(ConnectionClosed):
            await hear(silent)
        await say(lively, "ping")
        assert (await hear(lively))["type"] == "pong"


async def test_connections_of_one_person_are_bounded(database_url: str) -> None:
    async with running_coordinator(database_url, stream_connections=2) as coordinator:
        async with listening(coordinator), listening(coordinator):
            with pytest.raises(InvalidStatus) as caught:
                async with listening(coordinator):
                    pass
            assert caught.value.response.status_code == 429
            answer = await coordinator.http.get("/api/v1/events/stream")
            assert (answer.status_code, answer.json()["code"]) == (429, "too-many-connections")
        await until(lambda: not len(coordinator.served.services.hub))
        async with listening(coordinator):
            pass
