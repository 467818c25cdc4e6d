"""The worker's heart goes on whatever the coordinator answers."""

import asyncio

import httpx
import msgspec

from pullyard.protocol.worker import (
    MOST,
    Allowance,
    HeartbeatAnswer,
    HeartbeatRequest,
    HeldExecution,
    Spending,
    Usage,
)
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.share import Share
from pullyard.worker.heartbeat import Heart
from pullyard.worker.lease import Lease

PATIENCE_SECONDS = 60


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


async def open_to_all(spending: Spending, *, asks: bool) -> Allowance:
    del asks
    return Allowance(number=spending.number)


async def test_no_number_of_one_execution_has_the_heartbeat_of_all_refused() -> None:
    share = Share(open_to_all)
    ledger = Ledger(share=share)
    share.usage = ledger.usage
    async with ledger.reserve(MOST, MOST):
        for _ in range(2):
            ledger.record(MOST, MOST, MOST)
        held = HeldExecution(execution_id="exec_1", fence=1, spending=share.beat())
    sent = msgspec.json.encode(HeartbeatRequest(executions=[held]))
    (received,) = msgspec.json.decode(sent, type=HeartbeatRequest).executions
    assert received.spending is not None
    assert received.spending.usage == Usage(input_tokens=MOST, output_tokens=MOST, cost_micros=MOST)
