"""More of everything than the proxy takes: connections, slow heads, bodies. Others are served meanwhile."""

import asyncio
import gc
import socket
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from pullyard.protocol.isolation import HostRule
from pullyard.worker.gateway.egress import Egress
from pullyard.worker.gateway.pinned import Dialer
from pullyard.worker.gateway.rules import Rules
from pullyard.worker.gateway.serve import MOST_CONNECTIONS, Gateway
from tests.egress import HOST, Host, ask, egress_at, opened
from tests.eventually import eventually
from tests.tcp import all_from, connected, send

FLOOD = 400
MOST_HELD_BYTES = 48 << 20
"""In the kernel's buffers of four sockets and two pipes, and little else."""


def get(port: int) -> bytes:
    return f"GET http://{HOST}:{port}/ HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode()


@asynccontextmanager
async def flood(port: int) -> AsyncIterator[None]:
    """So many connections of a program that waits for none of them, each with half a request."""
    connections = [socket.socket() for _ in range(FLOOD)]
    try:
        for connection in connections:
            connection.settimeout(0)
            connection.connect_ex(("127.0.0.1", port))
            with suppress(OSError):
                connection.send(b"GET http://")
            # All at once would not get beyond the queue of the listener.
            await asyncio.sleep(0)
        yield
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.attack("egress: floods of the proxy")
async def test_a_flood_of_connections_is_bounded_and_holds_up_nobody_else() -> None:
    async def full() -> bool:
        return sum("Gateway._talk" in repr(task) for task in asyncio.all_tasks()) >= MOST_CONNECTIONS

    async with Host() as host:
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            async with flood(gateway.port):
                await eventually(full)
                async with egress_at(rule, dialer=opened(host.port)) as (neighbour, _):
                    for _ in range(20):
                        assert b" 200 " in await ask(neighbour.port, get(host.port))
                    served = sum("Gateway._talk" in repr(task) for task in asyncio.all_tasks())
                    assert served <= MOST_CONNECTIONS + 1
            assert b" 200 " in await ask(gateway.port, get(host.port))


@pytest.mark.attack("egress: floods of the proxy")
async def test_a_name_is_asked_for_once_however_many_want_it() -> None:
    asked, known = 0, asyncio.Event()

    async def slow(host: str, port: int) -> Sequence[str]:
        nonlocal asked
        del host, port
        asked += 1
        await known.wait()
        return ["10.0.0.1"]

    rule = HostRule(host=HOST, port=443)
    async with egress_at(rule, dialer=Dialer(resolve=slow)) as (gateway, _):
        request = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()
        asking = [asyncio.ensure_future(ask(gateway.port, request)) for _ in range(50)]
        asking[0].cancel()
        await ask(gateway.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        known.set()
        answers = await asyncio.gather(*asking[1:])
        assert all(b" 403 " in answer for answer in answers)
        assert b" 403 " in await ask(gateway.port, request)
    assert asked == 1


async def test_a_head_that_comes_byte_by_byte_is_cut_off() -> None:
    listener = socket.create_server(("127.0.0.1", 0)).detach()
    gateway = Gateway(listener, egress=Egress(Rules(), opened(1)), head_seconds=0.3)
    async with gateway, asyncio.timeout(60), connected(gateway.port) as link:
        answering = asyncio.create_task(all_from(link))
        while not answering.done():
            await send(link, b"G", ends=False)
            await asyncio.wait([answering], timeout=0.05)
        assert await answering == b""


async def test_clients_that_vanish_leave_nothing_behind() -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with Host(answer=bytes(3_000_000)) as host:
        rule = HostRule(host=HOST, port=host.port)
        async with egress_at(rule, dialer=opened(host.port)) as (gateway, _):
            for first in (b"x\r\n\r\n", b"GET http://", get(host.port)):
                for _ in range(20):
                    with socket.create_connection(("127.0.0.1", gateway.port)) as client:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        client.sendall(first)
                        await asyncio.sleep(0)
                # Whatever the others began is over, or will be with the proxy.
                assert b" 200 " in await ask(gateway.port, get(host.port))
            words = ["curl", "-s", "-x", f"http://127.0.0.1:{gateway.port}", *["https://evil.example/"] * 30]
            # It leaves while it is still being told why.
            await (await asyncio.create_subprocess_exec(*words)).wait()
    gc.collect()
    assert faults == []


@asynccontextmanager
async def deaf_host() -> AsyncIterator[int]:
    """It takes connections and never reads; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.attack("egress: floods of the proxy")
@pytest.mark.parametrize("method", ["PUT", "CONNECT"])
async def test_a_body_that_nobody_takes_does_not_pile_up(method: str) -> None:
    async with deaf_host() as port:
        rule = HostRule(host=HOST, port=port)
        async with egress_at(rule, dialer=opened(port)) as (gateway, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            place = f"{HOST}:{port}"
            target, length = place, ""
            if method == "PUT":
                target, length = f"http://{place}/", "Content-Length: 999999999\r\n"
            writer.write(f"{method} {target} HTTP/1.1\r\nHost: {place}\r\n{length}\r\n".encode())
            if method == "CONNECT":
                await reader.readuntil(b"\r\n\r\n")
            sent, piece = 0, bytes(1 << 20)
            with suppress(TimeoutError):
                while sent < 2 * MOST_HELD_BYTES:
                    writer.write(piece)
                    await asyncio.wait_for(writer.drain(), 1)
                    sent += len(piece)
            assert sent < MOST_HELD_BYTES
            writer.transport.abort()


@pytest.mark.attack("egress: floods of the proxy")
async def test_chunks_of_a_byte_leave_others_their_turn() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        chunks = b"1\r\na\r\n" * 20_000
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def longest_turn() -> float:
        """In seconds of this thread's own work: how busy the machine is with other things does not count."""
        longest = 0.0
        while not asking.done():
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)
        return longest

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, egress_at(HostRule(host=HOST, port=port), dialer=opened(port)) as (gateway, _):
        asking = asyncio.ensure_future(ask(gateway.port, get(port)))
        assert await longest_turn() < 0.25
        assert (await asking).count(b"\r\na\r\n") == 20_000


def test_a_worker_may_open_enough_files_for_all_of_them() -> None:
    script = (
        "import resource as r; from pullyard.worker.network import raise_file_limit as go; go(); "
        "print(r.getrlimit(r.RLIMIT_NOFILE))"
    )
    for given, had in (("256:4096", (4096, 4096)), ("4096:4096", (4096, 4096))):
        words = ["prlimit", f"--nofile={given}", sys.executable, "-c", script]
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert said == f"{had}\n"
