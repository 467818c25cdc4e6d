"""Strangers can't fill the coordinator: many connections, heads without end and slow requests are cut off."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import pytest

from tests.coordinator import RunningCoordinator, running_coordinator
from tests.tcp import all_from, answer_to, connected, send

LIMIT = 20
QUICK = {"max_connections": LIMIT, "request_head_seconds": 1.0, "request_body_seconds": 1.0}
HEAD = b"POST /api/v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture
async def bounded(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url, **QUICK) as coordinator:
        yield coordinator


def code_of(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["code"]


async def send_all(link: socket.socket, piece: bytes) -> None:
    """The coordinator, which runs in this process, has its turn as well."""
    await asyncio.get_running_loop().sock_sendall(link, piece)
    await asyncio.sleep(0)


async def drip(link: socket.socket, piece: bytes) -> None:
    """Sends a piece again and again, until the other side has had enough."""
    try:
        while True:
            await send_all(link, piece)
            await asyncio.sleep(0.1)
    except ConnectionError:
        return


async def test_one_connection_too_many_is_told_so_and_there_is_room_again_later(database_url: str) -> None:
    # None of them says anything, and none is cut off for it meanwhile.
    async with running_coordinator(database_url, max_connections=LIMIT) as coordinator:
        port = coordinator.served.port
        async with AsyncExitStack() as held:
            for _ in range(LIMIT):
                await held.enter_async_context(connected(port))
            assert code_of(await answer_to(b"", port)) == (503, "connection-many")
        async with asyncio.timeout(60):
            while (await coordinator.client().get("/healthz")).status_code != 200:
                pass


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"GET /healthz HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n"),
        (HEAD + b"content-length: 1000\r\n\r\n", b"{"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    ],
    ids=["nothing", "empty-lines", "head", "body", "chunks"],
)
async def test_a_request_that_never_ends_is_cut_off(
    bounded: RunningCoordinator, begin: bytes, piece: bytes
) -> None:
    async with connected(bounded.served.port) as link:
        await send(link, begin, ends=False)
        dripping = asyncio.create_task(drip(link, piece))
        assert code_of(await all_from(link)) == (408, "connection-slow")
        dripping.cancel()


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx: "], ids=["address", "header"])
async def test_a_head_without_end_is_cut_off_before_it_fills_memory(
    bounded: RunningCoordinator, start: bytes
) -> None:
    sent = 0
    async with connected(bounded.served.port) as link, asyncio.timeout(60):
        await send(link, start, ends=False)
        with suppress(ConnectionError):
            while sent < 10_000_000:
                await send_all(link, b"x" * 10_000)
                sent += 10_000
    assert sent < 10_000_000


async def test_trailers_without_end_are_not_kept(bounded: RunningCoordinator) -> None:
    trailers = b"".join(b"t%d: %s\r\n" % (number, b"x" * 1000) for number in range(1000))
    head = HEAD + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = await answer_to(head + b"0\r\n" + trailers + b"\r\n", bounded.served.port)
    assert answer.startswith(b"HTTP/1.1 4")


async def test_what_is_slow_but_honest_passes(bounded: RunningCoordinator) -> None:
    worker = await bounded.worker()
    # A long-poll waits after its request is whole: that is no slow request.
    assert (await worker.poll(wait=2.5)).grants == []
    body = b'{"name": "x", "repository": "/srv/x.git", "default_branch": null' + b" " * 60_000 + b"}"
    head = f"POST /api/v1/projects HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bounded.token}\r\n"
    head += f"connection: close\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    async with connected(bounded.served.port) as link:
        await send_all(link, head.encode())
        # Five times as fast as it has to be, and three times as long as the first seconds.
        for start in range(0, len(body), 8192):
            await send_all(link, body[start : start + 8192])
            await asyncio.sleep(0.3)
        assert (await all_from(link)).startswith(b"HTTP/1.1 201")


async def test_requests_sent_at_once_are_answered_whole_and_in_order(bounded: RunningCoordinator) -> None:
    """None is waited for before the next one goes, and each has its own headers."""
    head = f"HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {bounded.token}\r\n"
    body = b'{"name": "x", "repository": "/srv/x.git"}'
    posted = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    requests = (
        f"GET /healthz {head}\r\nHEAD /healthz {head}\r\nGET /nothing/here {head}\r\n".encode()
        + f"POST /api/v1/projects {head}{posted}connection: close\r\n\r\n".encode()
        + body
    )
    answer = await answer_to(requests, bounded.served.port)
    codes = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
    assert codes == [b"200", b"405", b"404", b"201"], answer
    assert json.loads(answer[answer.rindex(b"\r\n\r\n") :])["name"] == "x"


async def test_a_refusal_is_counted(bounded: RunningCoordinator) -> None:
    await answer_to(b"", bounded.served.port)
    answer = await bounded.http.get("/metrics")
    assert 'pullyard_connections_refused_total{why="slow"} 1.0' in answer.text
