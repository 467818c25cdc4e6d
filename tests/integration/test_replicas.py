"""Two coordinators on one database are one: what happens at either is seen, at once, at both."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pullyard.coordinator.hub.hub import CHECK_SECONDS
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator
from tests.live import begin, data_of, hear, listening, say, subscribe, until
from tests.redis_server import redis_server

Replicas = tuple[RunningCoordinator, RunningCoordinator]
AT_ONCE_SECONDS = 10.0
"""Less than every slow look: what comes within it was told over the bus."""
UNTOLD_SECONDS = 30.0
"""More than a loaded machine makes of the five seconds within which a lost word is made up for."""


@pytest.fixture(params=["postgres", "redis"])
async def replicas(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[Replicas]:
    async with AsyncExitStack() as stack:
        settings = {"slow_poll_seconds": 30.0}
        if request.param == "redis":
            settings["bus_url"] = stack.enter_context(redis_server(tmp_path)).url
        # Both at the same moment on an empty database, as after an installation.
        starting = [running_coordinator(database_url, **settings) for _ in range(2)]
        first, second = await asyncio.gather(*(stack.enter_async_context(one) for one in starting))
        yield first, second


def moved(worker: WireWorker, there: RunningCoordinator) -> WireWorker:
    """The same worker, whose next requests another replica answers."""
    client = there.client(worker.http.headers["authorization"].removeprefix("Bearer "))
    return WireWorker(client, worker.id, worker.held)


async def test_an_event_of_one_reaches_a_socket_of_the_other(replicas: Replicas) -> None:
    here, there = replicas
    project_id = await here.project()
    async with listening(there) as socket:
        await subscribe(socket, "subscribe-events", project_id=project_id)
        for _ in range(5):
            began = time.monotonic()
            task = await here.task(project_id)
            assert (await hear(socket))["task_id"] == task["id"]
            assert time.monotonic() - began < AT_ONCE_SECONDS


async def test_log_bytes_sent_to_one_reach_a_socket_of_the_other(replicas: Replicas) -> None:
    here, there = replicas
    worker, grant = await begin(here)
    watched = here.served.services.hub.watched
    async with listening(there) as socket:
        await subscribe(socket, "subscribe-log", execution_id=grant.execution_id, stream="implement")
        await until(lambda: watched.is_watched(grant.execution_id))
        # The worker is told to send at once, though nobody watches where it asks.
        assert (await worker.beat()).watched == [grant.execution_id]
        offset = 0
        # Small ones travel with the word of them; the large one is told of only, and read.
        for piece in (b"one\n", "é".encode()[:1], "é".encode()[1:], bytes(range(256)) * 2000, b"end\n"):
            began = time.monotonic()
            assert (await worker.log(grant, piece, offset=offset)).status_code == 200
            heard = b""
            while len(heard) < len(piece):
                message = await hear(socket)
                assert message["offset"] == offset + len(heard)
                heard += data_of(message)
            assert heard == piece
            assert time.monotonic() - began < AT_ONCE_SECONDS
            offset += len(piece)
        await moved(worker, there).finish(grant, reason="no_change")
        assert (await hear(socket))["type"] == "completion"


async def test_a_log_that_goes_on_at_the_other_replica_comes_whole(replicas: Replicas) -> None:
    here, there = replicas
    worker, grant = await begin(here)
    both = [worker, moved(worker, there)]
    whole = b""
    async with listening(there) as socket, listening(here) as other:
        for one in (socket, other):
            await subscribe(one, "subscribe-log", execution_id=grant.execution_id, stream="implement")
        for number in range(40):
            piece = b"%d\n" % number
            assert (await both[number % 2].log(grant, piece, offset=len(whole))).status_code == 200
            whole += piece
        await worker.finish(grant, reason="no_change")
        for one in (socket, other):
            heard = b""
            while (message := await hear(one))["type"] == "execution-log":
                heard += data_of(message)
            assert heard == whole


async def test_a_task_made_at_one_is_worked_on_at_the_other(replicas: Replicas) -> None:
    here, there = replicas
    worker = await there.worker()
    project_id = await here.project()
    polling = asyncio.create_task(worker.poll(wait=20))
    await until(lambda: not polling.done())
    began = time.monotonic()
    await here.task(project_id)
    assert len((await polling).grants) == 1
    assert time.monotonic() - began < AT_ONCE_SECONDS


async def test_a_ticket_of_one_opens_a_socket_of_the_other_once(replicas: Replicas) -> None:
    here, there = replicas
    ticket = (await here.post("/stream/ticket"))["ticket"]
    async with listening(there, query=f"?ticket={ticket}", token=None) as socket:
        await say(socket, "ping")
        assert (await hear(socket))["type"] == "pong"
    for replica in replicas:
        with pytest.raises(InvalidStatus):
            async with listening(replica, query=f"?ticket={ticket}", token=None):
                pass


async def test_a_revocation_at_one_closes_the_connections_of_the_other(replicas: Replicas) -> None:
    here, there = replicas
    token = await here.post("/tokens", {"name": "short"})
    secret = token["secret"]
    async with listening(there, token=secret) as socket:
        await subscribe(socket, "subscribe-events")
        headers = {"authorization": f"Bearer {secret}"}
        async with there.http.stream("GET", "/api/v1/events/stream", headers=headers) as events:
            began = time.monotonic()
            await here.http.delete(f"/api/v1/tokens/{token['id']}")
            with pytest.raises(ConnectionClosed) as caught:
                await hear(socket)
            async for _ in events.aiter_raw():
                pass
            assert time.monotonic() - began < AT_ONCE_SECONDS
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008


async def test_two_replicas_that_start_together_make_one_owner(replicas: Replicas) -> None:
    here, there = replicas
    assert here.served.services.owner == there.served.services.owner


async def test_a_revocation_that_nobody_told_of_closes_within_five_seconds(database_url: str) -> None:
    async with running_coordinator(database_url) as coordinator:
        services = coordinator.served.services
        tokens = [await coordinator.post("/tokens", {"name": name}) for name in ("first", "second")]
        async with (
            listening(coordinator, token=tokens[0]["secret"]) as first,
            listening(coordinator, token=tokens[1]["secret"]) as second,
        ):
            # The hub looks at once where it had nobody to look at; the second waits for the next time.
            for token, socket in zip(tokens, (first, second), strict=True):
                await subscribe(socket, "subscribe-events")
                # As if the word of it had been lost.
                services.authenticator.forget, forget = (lambda: None), services.authenticator.forget
                await coordinator.http.delete(f"/api/v1/tokens/{token['id']}")
                services.authenticator.forget = forget
                async with asyncio.timeout(UNTOLD_SECONDS):
                    with pytest.raises(ConnectionClosed):
                        await hear(socket)
    assert CHECK_SECONDS < 5.0


async def test_streams_go_on_when_the_bus_is_away(database_url: str, tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        async with AsyncExitStack() as stack:
            settings = {"bus_url": redis.url}
            here, there = [
                await stack.enter_async_context(running_coordinator(database_url, **settings))
                for _ in range(2)
            ]
            worker, grant = await begin(here)
            about = {"execution_id": grant.execution_id, "stream": "implement"}
            async with listening(there) as socket:
                await subscribe(socket, "subscribe-log", **about)
                await worker.log(grant, b"one\n")
                assert data_of(await hear(socket)) == b"one\n"
                redis.kill()
                # The slow look finds what nobody could tell.
                await worker.log(grant, b"two\n", offset=4)
                assert data_of(await hear(socket)) == b"two\n"
                redis.start()
                await worker.log(grant, b"three\n", offset=8)
                assert data_of(await hear(socket)) == b"three\n"
