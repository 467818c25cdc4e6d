"""The claim in SQL: beside one without fairness, in groups, at depth, while a transaction stays open."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import asyncpg

from bench.backlog import Backlog, make_backlog
from bench.figures import Figure, Goal
from bench.stage import DURABLE, Stage
from pullyard.store.database import Database

SECONDS = 2.0
CLIENTS = 10
GROUPS = ((10, 1.5), (64, 4.0))
SMALL, LARGE = [100] * 10, [10] * 10_000
DEPTH_CLAIMS = 200
_BARE = """
WITH picked AS (
    SELECT id FROM tasks WHERE state = 'queued'
    ORDER BY project_id, lane_id, priority DESC, position, id LIMIT 1
    FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE tasks t SET state = 'running' FROM picked WHERE t.id = picked.id
    RETURNING t.id, t.tenant_id, t.project_id
)
INSERT INTO task_executions (id, tenant_id, project_id, task_id, worker_id, fence, request_id, state,
    correlation_id, queued_at)
SELECT 'exec_' || id, tenant_id, project_id, id, $1, nextval('fences'), 'bench', 'assigned', '', now()
FROM claimed
RETURNING id, task_id
"""
_BARE_END = (
    "WITH ended AS (UPDATE task_executions SET state = 'succeeded', finished_at = now() WHERE id = $1)"
    " UPDATE tasks SET state = 'completed', finished_at = now() WHERE id = $2"
)


def measure(stage: Stage) -> list[Figure]:
    bare = asyncio.run(bare_rate(stage.database()))
    single = asyncio.run(fair_rate(stage.database(), CLIENTS, 1))
    figures = [against_bare("fair claim, batch 1", single, bare, 0.85)]
    for waiting, bound in GROUPS:
        rate = asyncio.run(fair_rate(stage.database(), 1, waiting))
        figures.append(against_bare(f"fair claim, {waiting} waiting in a group", rate, bare, bound))
    return [*figures, depth(stage), open_transaction(stage)]


def against_bare(title: str, rate: float, bare: float, bound: float) -> Figure:
    said = f"{DURABLE}; claim and end, 1,000 projects, 100,000 queued; bare: no fairness, no limit"
    goal = Goal(bound, at_most=False)
    return Figure(title, rate, "/s", f"bare claim, batch 1, {CLIENTS} clients", bare, goal, conditions=said)


async def with_backlog(url: str, queued: list[int], work: Callable[[Backlog], Awaitable[float]]) -> float:
    database = Database(url)
    await database.open()
    try:
        return await work(await make_backlog(database, queued, max_running=1))
    finally:
        await database.close()


async def for_a_while(cycle: Callable[[], Awaitable[int]], clients: int) -> float:
    """What ``clients`` at once do in a second."""
    until = time.perf_counter() + SECONDS

    async def client() -> int:
        done = 0
        while time.perf_counter() < until:
            done += await cycle()
        return done

    return sum(await asyncio.gather(*(client() for _ in range(clients)))) / SECONDS


async def fair_rate(url: str, clients: int, batch: int) -> float:
    async def work(backlog: Backlog) -> float:
        async def cycle() -> int:
            grants = await backlog.claim(batch)
            await backlog.end(grants)
            return len(grants)

        return await for_a_while(cycle, clients)

    return await with_backlog(url, [100] * 1000, work)


async def bare_rate(url: str) -> float:
    async def work(backlog: Backlog) -> float:
        pool = await asyncpg.create_pool(url, min_size=CLIENTS, max_size=CLIENTS)

        async def cycle() -> int:
            row = await pool.fetchrow(_BARE, backlog.worker_id)
            await pool.execute(_BARE_END, row["id"], row["task_id"])
            return 1

        try:
            return await for_a_while(cycle, CLIENTS)
        finally:
            await pool.close()

    return await with_backlog(url, [100] * 1000, work)


def depth(stage: Stage) -> Figure:
    async def work(backlog: Backlog) -> float:
        seconds = []
        for _ in range(DEPTH_CLAIMS):
            began = time.perf_counter()
            grants = await backlog.claim(1)
            seconds.append(time.perf_counter() - began)
            await backlog.end(grants)
        return statistics.median(seconds) * 1000

    shallow = asyncio.run(with_backlog(stage.database(), SMALL, work))
    deep = asyncio.run(with_backlog(stage.database(), LARGE, work))
    title = "one claim, 100,000 queued in 10,000 projects, p50"
    return Figure(title, deep, "ms", "1,000 queued in 10 projects", shallow, Goal(1.15), conditions=DURABLE)


def open_transaction(stage: Stage) -> Figure:
    url = stage.database()

    async def work(backlog: Backlog) -> float:
        async def cycle() -> int:
            grants = await backlog.claim(CLIENTS)
            await backlog.end(grants)
            return len(grants)

        before = await for_a_while(cycle, 1)
        other = await asyncpg.connect(url)
        async with other.transaction(isolation="repeatable_read"):
            await other.fetch("SELECT 1 FROM tasks LIMIT 1")
            # Half a minute of it: what can't be cleaned up meanwhile grows in the way of every claim.
            rates = [await for_a_while(cycle, 1) for _ in range(round(30 / SECONDS))]
        await other.close()
        return statistics.mean(rates) / before

    share = asyncio.run(with_backlog(url, [100] * 1000, work))
    goal = Goal(0.3, at_most=False, of_value=True)
    return Figure("claims while another transaction is open for 30 s, of those before", share, "x", goal=goal)
