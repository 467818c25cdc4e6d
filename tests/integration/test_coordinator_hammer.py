"""Two replicas and ten workers at the same queue: every task once, and no limit is ever passed.

That the lock of the claims is needed for it is shown step by step in ``test_coordinator_polls``.
"""

import asyncio
import random
from collections import Counter
from dataclasses import replace

import asyncpg
from sqlalchemy import text

from pullyard.coordinator.auth.credentials import CredentialKind, issue
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.store.queries import named
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator

ALL_RUNNING, TENANT, MEMBER, SLOTS, WORKERS = 7, 6, 3, 2, 10
PROJECT_LIMITS = (1, 2, 5, 5)
TASKS_EACH = 10
LOOK_SECONDS = 0.005
PATIENCE_SECONDS = 120

# One snapshot: how many executions are live for everybody who has a limit, where that is more than allowed.
PASSED = f"""
WITH live AS (SELECT * FROM task_executions WHERE finished_at IS NULL)
SELECT 'all' AS whose, count(*) AS running FROM live HAVING count(*) > {ALL_RUNNING}
UNION ALL SELECT 'tenant', count(*) FROM live JOIN tenants t ON t.id = live.tenant_id
    GROUP BY t.id HAVING count(*) > t.max_running
UNION ALL SELECT 'member', count(*) FROM live JOIN members m ON m.id = live.member_id
    GROUP BY m.id HAVING count(*) > m.max_running
UNION ALL SELECT 'project', count(*) FROM live JOIN project_queue q USING (project_id)
    GROUP BY q.project_id HAVING count(*) > q.max_running
UNION ALL SELECT 'worker', count(*) FROM live JOIN workers w ON w.id = live.worker_id
    GROUP BY w.id HAVING count(*) > w.slots
"""


async def watch(url: str, ended: asyncio.Event) -> list[str]:
    """Looks every few milliseconds, and returns what was passed: an overrun stays for longer than that."""
    connection = await asyncpg.connect(url)
    passed: list[str] = []
    try:
        while not ended.is_set():
            passed += [f"{row['whose']}: {row['running']}" for row in await connection.fetch(PASSED)]
            await asyncio.sleep(LOOK_SECONDS)
        return passed
    finally:
        await connection.close()


async def second_member(coordinator: RunningCoordinator) -> str:
    """The token of another member, whose tasks are limited as well."""
    services, member_id = coordinator.served.services, new_id(Kind.MEMBER)
    tenant_id = services.owner.tenant_id
    async with services.database.transaction() as connection:
        await connection.execute(text("UPDATE tenants SET max_running = :limit"), {"limit": TENANT})
        await connection.execute(
            text("INSERT INTO members (id, tenant_id, name, role) VALUES (:id, :tenant, 'b', 'member')"),
            {"id": member_id, "tenant": tenant_id},
        )
        await connection.execute(text("UPDATE members SET max_running = :limit"), {"limit": MEMBER})
        issued = await issue(
            connection, CredentialKind.API, tenant_id=tenant_id, member_id=member_id, seconds=None
        )
    return issued.secret


async def wish(replicas: list[RunningCoordinator], tokens: list[str]) -> set[str]:
    """Tasks for all projects, asked for at both replicas by both members while the workers work."""
    projects = [await replicas[0].project(max_running=limit) for limit in PROJECT_LIMITS]
    clients = [replica.client(token) for replica in replicas for token in tokens]
    made = set()
    for number in range(TASKS_EACH):
        for project_id in projects:
            body = {"title": "x", "priority": random.randint(-1, 1)}
            client = clients[number % len(clients)]
            answer = await client.post(f"/api/v1/projects/{project_id}/tasks", json=body)
            assert answer.status_code == 201, answer.text
            made.add(answer.json()["id"])
    return made


async def work(places: list[WireWorker], done: Counter[str], total: int) -> None:
    """Asks either replica, with two questions at once that want twice what it has room for."""
    while done.total() < total:
        place = random.choice(places)
        answers = await asyncio.gather(*(place.poll(slots=SLOTS, wait=0.2) for _ in range(2)))
        grants = [grant for answer in answers for grant in answer.grants]
        await place.beat(*grants)
        for grant in grants:
            phases = [Phase.PREPARE, Phase.IMPLEMENT]
            ended = await random.choice(places).finish(grant, phases=phases)
            assert ended.status_code == 200, ended.text
            done[grant.task.id] += 1


async def test_two_replicas_and_ten_workers_pass_no_limit(database_url: str) -> None:
    async with (
        running_coordinator(database_url, max_running=ALL_RUNNING) as first,
        running_coordinator(database_url, max_running=ALL_RUNNING) as second,
    ):
        tokens = [first.token, await second_member(first)]
        workers = [await first.worker(slots=SLOTS) for _ in range(WORKERS)]
        done: Counter[str] = Counter()
        ended = asyncio.Event()
        watching = asyncio.create_task(watch(database_url, ended))
        wishing = asyncio.create_task(wish([first, second], tokens))
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            for worker in workers:
                there = second.client(worker.http.headers["authorization"].removeprefix("Bearer "))
                group.create_task(
                    work([worker, replace(worker, http=there)], done, TASKS_EACH * len(PROJECT_LIMITS))
                )
        ended.set()
        assert await watching == []
        assert done == dict.fromkeys(await wishing, 1)
        async with first.served.services.database.transaction() as connection:
            drift = (await connection.execute(named("drift_find"), {"project_id": None})).all()
        assert not [row for row in drift if (row.queued, row.running) != (row.true_queued, row.true_running)]
