"""A provider's limit pauses what needs the credential, and nothing else, until the reset that it names."""

import asyncio
from datetime import datetime

import msgspec
import pytest
from sqlalchemy import text

from pullyard.protocol.worker import HeartbeatRequest, HeldExecution, QuotaWindow
from pullyard.worker.gateway.ledger import Failure, Ledger
from pullyard.worker.gateway.limits import RateLimited, rate_limited
from pullyard.worker.gateway.windows import QuotaReached, Windows
from tests.coordinator import RunningCoordinator, WireWorker, coordinator
from tests.postgres import database_url, postgres_server

__all__ = ["coordinator", "database_url", "postgres_server"]

CLAUDE = {"name": "claude-code", "settings": {}}
LONG_SECONDS = 3600.0
NEARER = """
UPDATE tasks SET refused_until = now() + interval '1 s', quota_until = now() + interval '1 s'
WHERE quota_until IS NOT NULL RETURNING quota_until
"""


def limit(seconds: float, credential: str = "anthropic") -> RateLimited:
    limited = rate_limited(credential, 429, {"retry-after-ms": str(int(seconds * 1000))})
    assert limited is not None
    return limited


async def tell(worker: WireWorker, seconds: float) -> None:
    """As the worker's first execution ran into it."""
    held = [HeldExecution(execution_id=one.execution_id, fence=one.fence) for one in worker.held]
    window = QuotaWindow(execution_id=worker.held[0].execution_id, credential="anthropic", seconds=seconds)
    answer = await worker.post("/heartbeat", HeartbeatRequest(executions=held, quota=[window]))
    assert answer.status_code == 200, answer.text


async def limited_worker(coordinator: RunningCoordinator, seconds: float) -> tuple[WireWorker, str, str]:
    """With the ids of a project and of a queued task that needs the credential."""
    project = await coordinator.project(agent=CLAUDE, max_running=5)
    await coordinator.task(project)
    worker = await coordinator.worker()
    await worker.claim()
    queued = (await coordinator.task(project))["id"]
    await tell(worker, seconds)
    return worker, project, queued


async def reset_soon(coordinator: RunningCoordinator) -> datetime:
    """As if the limit had always ended in a second; the time of that."""
    async with coordinator.served.services.database.transaction() as connection:
        return await connection.scalar(text(NEARER))


async def test_queued_tasks_wait_for_the_reset_and_say_so(coordinator: RunningCoordinator) -> None:
    worker, _, queued = await limited_worker(coordinator, LONG_SECONDS)
    task = await coordinator.get(f"/tasks/{queued}")
    assert (task["state"], task["pending_reason"]) == ("queued", "quota")
    assert task["held_until"] is not None
    assert not (await worker.poll(wait=0.2)).grants
    reset = await reset_soon(coordinator)
    async with asyncio.timeout(60):
        while not (grants := (await worker.poll(wait=0.1)).grants):
            continue
    assert grants[0].task.id == queued
    # By the database's clock it was not given out before the reset.
    (execution,) = (await coordinator.get(f"/tasks/{queued}/executions"))["items"]
    assert datetime.fromisoformat(execution["assigned_at"]) >= reset


async def test_other_agents_and_other_workers_go_on(coordinator: RunningCoordinator) -> None:
    worker, project, queued = await limited_worker(coordinator, 3600.0)
    plain = await coordinator.task(project, agent={"name": "command", "settings": {"command": "true"}})
    (grant,) = (await worker.poll(wait=5.0)).grants
    assert grant.task.id == plain["id"]
    other = await coordinator.worker()
    (grant,) = (await other.poll(wait=5.0)).grants
    assert grant.task.id == queued


async def test_an_execution_that_ended_of_it_is_tried_again(coordinator: RunningCoordinator) -> None:
    task = await coordinator.task(await coordinator.project(agent=CLAUDE))
    worker = await coordinator.worker()
    grant = await worker.claim()
    await worker.walk(grant, "prepare", "implement")
    ended = await worker.finish(grant, reason="quota_reached", quota_seconds=LONG_SECONDS)
    assert ended.status_code == 200
    read = await coordinator.get(f"/tasks/{task['id']}")
    assert (read["state"], read["pending_reason"], read["tries"]) == ("queued", "quota", 0)
    assert not (await worker.poll(wait=0.2)).grants
    await reset_soon(coordinator)
    async with asyncio.timeout(60):
        while not (await worker.poll(wait=0.1)).grants:
            continue


async def test_a_strangers_window_closes_nothing(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(agent=CLAUDE, max_running=5)
    await coordinator.task(project)
    worker, other = await coordinator.worker(), await coordinator.worker()
    await worker.claim()
    queued = await coordinator.task(project)
    other.held = worker.held
    await tell(other, 3600.0)
    assert (await coordinator.get(f"/tasks/{queued['id']}"))["pending_reason"] is None


@pytest.mark.parametrize("seconds", [-1, 1e12, "soon"])
async def test_a_window_that_is_none_is_refused(coordinator: RunningCoordinator, seconds: object) -> None:
    worker = await coordinator.worker()
    window = {"execution_id": "exec_x", "credential": "x", "seconds": seconds}
    body = msgspec.json.encode({"executions": [], "quota": [window]})
    assert (await worker.post("/heartbeat", body)).status_code in (400, 422)


async def test_requests_wait_for_a_near_reset_and_others_pass() -> None:
    windows = Windows(patience_seconds=60.0)
    ledger, other = Ledger(windows=windows, execution_id="one"), Ledger(windows=windows, execution_id="two")
    limited = limit(0.2)
    ledger.fail(Failure(429, "anthropic answered 429.", limited))
    await other.passes("openai")
    assert limited.seconds_left()
    await asyncio.gather(ledger.passes("anthropic"), other.passes("anthropic"))
    assert not limited.seconds_left()


async def test_a_short_limit_is_waited_for_as_often_as_it_comes() -> None:
    ledger = Ledger(windows=Windows(), execution_id="one")
    for seconds in ([0.05], [0.05], [0.05, 0.3]):
        limits = [limit(one) for one in seconds]
        for limited in limits:
            ledger.fail(Failure(429, "anthropic answered 429.", limited))
        await ledger.passes("anthropic")
        assert not any(limited.seconds_left() for limited in limits)


async def test_a_far_reset_ends_the_execution_and_is_told_once() -> None:
    told = asyncio.Event()
    windows = Windows(patience_seconds=60.0, on_closed=told.set)
    ledger = Ledger(windows=windows, execution_id="exec_one")
    ledger.fail(Failure(429, "anthropic answered 429.", limit(7200.0)))
    with pytest.raises(QuotaReached, match=r"'anthropic' ends in 2\.0 hours"):
        await ledger.passes("anthropic")
    assert ledger.verdict().reason == "quota_reached"
    assert told.is_set()
    (window,) = windows.news()
    assert (window.execution_id, window.credential) == ("exec_one", "anthropic")
    windows.told([window])
    ledger.fail(Failure(429, "anthropic answered 429.", limit(7200.0)))
    assert not windows.news()
