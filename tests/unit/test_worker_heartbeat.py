"""The worker's heart goes on whatever the coordinator answers."""

import asyncio

import httpx
import msgspec

from pullyard.protocol.worker import HeartbeatAnswer
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.heartbeat import Heart
from pullyard.worker.lease import Lease

PATIENCE_SECONDS = 10


async def renewed_after(first: httpx.Response) -> bool:
    """Whether the lease is renewed by a heart whose first beat got this answer."""
    good = msgspec.json.encode(HeartbeatAnswer(lease_seconds=30.0))
    answers = iter([first])
    transport = httpx.MockTransport(lambda _: next(answers, httpx.Response(200, content=good)))
    client, lease = CoordinatorClient("http://coordinator", transport=transport), Lease()
    heart = asyncio.create_task(Heart(client, lease, {}, slots=1, seconds=0.01).run(600))
    renewal = asyncio.create_task(lease.wait_live())
    try:
        waits = {renewal, heart}
        await asyncio.wait(waits, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        return renewal.done()
    finally:
        heart.cancel()
        renewal.cancel()
        await asyncio.gather(heart, renewal, return_exceptions=True)
        await client.close()


async def test_a_refused_credential_does_not_stop_the_heart() -> None:
    assert await renewed_after(httpx.Response(401, json={"code": "unauthenticated"}))


async def test_an_answer_that_can_not_be_read_does_not_stop_the_heart() -> None:
    assert await renewed_after(httpx.Response(200, content=b"<html>a proxy's own page</html>"))


async def test_a_fault_of_the_coordinator_does_not_stop_the_heart() -> None:
    assert await renewed_after(httpx.Response(500))
