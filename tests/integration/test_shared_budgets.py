"""Budgets while executions spend: the worker's own ledgers over the wire, against a real coordinator."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.workflows import NodeKind
from pullyard.protocol.worker import (
    Grant,
    HeartbeatAnswer,
    HeartbeatRequest,
    HeldExecution,
    NodeFact,
    Spending,
    Usage,
)
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.gateway.ledger import BudgetSpent, Ledger
from pullyard.worker.gateway.share import Share
from pullyard.worker.spending import ask_for_more
from tests.coordinator import RunningCoordinator, WireWorker, running_coordinator

DOLLAR = 1_000_000
NODE = NodeFact(name="implement", kind=NodeKind.AGENT, phase=Phase.IMPLEMENT)


@dataclass
class Spender:
    """One execution, which makes requests one after the other."""

    grant: Grant
    share: Share
    ledger: Ledger = field(init=False)
    last_micros: int = 0

    def __post_init__(self) -> None:
        self.ledger = Ledger(share=self.share)
        self.share.usage = self.ledger.usage

    @property
    def micros(self) -> int:
        return self.ledger.usage.cost_micros

    async def request(self, micros: int, tokens: int = 2) -> None:
        async with self.ledger.reserve(2 * micros, 2 * tokens):
            await asyncio.sleep(0)
            self.last_micros = micros
            self.ledger.record(tokens // 2, tokens - tokens // 2, micros)


@asynccontextmanager
async def spenders(
    coordinator: RunningCoordinator, worker: WireWorker, count: int, *, patience: float = 0.0
) -> AsyncIterator[list[Spender]]:
    """At work in their agents' step, all of one worker."""
    worker.held = (await worker.poll(slots=count, wait=10.0)).grants
    assert len(worker.held) == count
    await worker.beat()
    for grant in worker.held:
        await worker.walk(grant, "prepare", "implement")
    client = CoordinatorClient(coordinator.url)
    client.credential = worker.http.headers["authorization"].removeprefix("Bearer ")

    def spender(grant: Grant) -> Spender:
        async def report(spending: Any, *, asks: bool) -> Any:
            return await ask_for_more(client, grant, NODE, spending, asks=asks)

        return Spender(grant, Share(report, patience_seconds=patience))

    try:
        yield [spender(grant) for grant in worker.held]
    finally:
        await client.close()


async def beat(worker: WireWorker, *ones: Spender) -> HeartbeatAnswer:
    held = [
        HeldExecution(execution_id=one.grant.execution_id, fence=one.grant.fence, spending=one.share.beat())
        for one in ones
    ]
    answer = await worker.ask("/heartbeat", HeartbeatRequest(executions=held), HeartbeatAnswer)
    for one in ones:
        if allowance := answer.allowances.get(one.grant.execution_id):
            one.share.hear(allowance)
    return answer


async def one_spender(coordinator: RunningCoordinator, **task: Any) -> tuple[WireWorker, dict[str, Any]]:
    worker = await coordinator.worker()
    return worker, await coordinator.task(await coordinator.project(), **task)


async def put(coordinator: RunningCoordinator, **wish: Any) -> dict[str, Any]:
    answer = await coordinator.http.put("/api/v1/budgets", json=wish)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def answer(coordinator: RunningCoordinator, execution_id: str, words: str, status: int = 200) -> None:
    said = await coordinator.http.post(f"/api/v1/executions/{execution_id}/answer", json={"answer": words})
    assert said.status_code == status, said.text


async def test_a_hundred_executions_pass_a_shared_cap_by_one_request_each_at_most(database_url: str) -> None:
    count, cap = 100, 3 * DOLLAR
    async with running_coordinator(database_url, max_running=count) as coordinator:
        project = await coordinator.project(max_running=count)
        budget = await put(coordinator, scope="project", project_id=project, period="month", limit_micros=cap)
        for _ in range(count):
            await coordinator.task(project)
        worker = await coordinator.worker(slots=count)
        dice = random.Random(5)

        async def spend_all(one: Spender) -> None:
            with suppress(BudgetSpent):
                while True:
                    await one.request(dice.randrange(5_000, 50_000))

        async with spenders(coordinator, worker, count) as ones:
            await asyncio.gather(*map(spend_all, ones))
            await beat(worker, *ones)
        spent = sum(one.micros for one in ones)
        overshoot = spent - cap
        assert overshoot <= sum(one.last_micros for one in ones)
        # Shares are asked for anew, and what another holds is not begun upon: hardly anything is passed.
        assert cap <= spent + 50_000
        read = await coordinator.get(f"/budgets/{budget['id']}")
        assert read["spent_micros"] == spent


async def test_a_spent_budget_asks_a_person_and_an_answer_lifts_it(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    await put(coordinator, scope="tenant", period="day", limit_micros=DOLLAR, limit_tokens=10**9)
    async with spenders(coordinator, worker, 1, patience=30.0) as (one,):
        await one.request(DOLLAR)
        waiting = asyncio.create_task(one.request(DOLLAR // 10))
        await coordinator.until_task(task["id"], "waiting")
        execution = await coordinator.get(f"/executions/{one.grant.execution_id}")
        assert (execution["state"], execution["cost_micros"]) == ("waiting_input", DOLLAR)
        assert "all projects together for today is spent: $1.00" in execution["question"]["question"]
        await answer(coordinator, one.grant.execution_id, "nonsense", 422)
        await answer(coordinator, one.grant.execution_id, "0.50")
        await waiting
        await coordinator.until_task(task["id"], "running")
        assert one.micros == DOLLAR + DOLLAR // 10
    kinds = [event["kind"] for event in await coordinator.events()]
    assert kinds.count("budget.spent") == 1
    assert "execution.usage" in kinds


async def test_a_raised_limit_lifts_every_pause_by_itself(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    wish = {"scope": "project", "project_id": task["project_id"], "period": "total"}
    await put(coordinator, **wish, limit_tokens=100)
    async with spenders(coordinator, worker, 1, patience=30.0) as (one,):
        await one.request(1, tokens=100)
        waiting = asyncio.create_task(one.request(1, tokens=100))
        await coordinator.until_task(task["id"], "waiting")
        await put(coordinator, **wish, limit_tokens=1000)
        await waiting
        question = await coordinator.get(f"/executions/{one.grant.execution_id}/question")
        assert question["answer"] == "lifted"


async def test_an_answer_raises_the_budget_of_that_execution_alone(coordinator: RunningCoordinator) -> None:
    worker, _ = await one_spender(coordinator)
    budget = await put(coordinator, scope="execution", period="total", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1, patience=30.0) as (one,):
        await one.request(DOLLAR)
        waiting = asyncio.create_task(one.request(DOLLAR))
        await coordinator.until_task(one.grant.task.id, "waiting")
        await answer(coordinator, one.grant.execution_id, "0.50")
        await waiting
    assert one.micros == 2 * DOLLAR
    read = await coordinator.get(f"/budgets/{budget['id']}")
    assert (read["limit_micros"], read["extra_micros"]) == (DOLLAR, 0)


async def test_an_answer_that_raises_a_projects_budget_opens_its_queue(
    coordinator: RunningCoordinator,
) -> None:
    worker, task = await one_spender(coordinator)
    project = task["project_id"]
    await put(coordinator, scope="project", project_id=project, period="month", limit_micros=DOLLAR)
    queued = await coordinator.task(project)
    async with spenders(coordinator, worker, 1, patience=30.0) as (one,):
        await one.request(DOLLAR)
        waiting = asyncio.create_task(one.request(DOLLAR // 10))
        await coordinator.until_task(task["id"], "waiting")
        assert (await coordinator.get(f"/tasks/{queued['id']}"))["pending_reason"] == "budget"
        await answer(coordinator, one.grant.execution_id, "5.00")
        await waiting
        assert (await coordinator.get(f"/tasks/{queued['id']}"))["pending_reason"] is None


async def test_a_tasks_own_budget_stands_in_place_of_its_projects(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator, budget_micros=3 * DOLLAR)
    await put(coordinator, scope="task", project_id=task["project_id"], period="total", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1) as (one,):
        await one.request(DOLLAR)
        await one.request(2 * DOLLAR)
        with pytest.raises(BudgetSpent, match=r"of the task is spent: \$3\.00"):
            await one.request(1)


async def test_a_person_may_stop_instead(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    await put(coordinator, scope="execution", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1, patience=30.0) as (one,):
        await one.request(DOLLAR)
        waiting = asyncio.create_task(one.request(DOLLAR))
        await coordinator.until_task(task["id"], "waiting")
        await answer(coordinator, one.grant.execution_id, "stop")
        with pytest.raises(BudgetSpent):
            await waiting
        assert one.ledger.verdict().reason == "budget_spent"
        await worker.finish(one.grant, reason="budget_spent", usage=one.ledger.usage)
    assert (await coordinator.until_task(task["id"], "failed"))["reason"] == "budget_spent"


async def test_what_nobody_lifts_goes_back_to_the_queue(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    wish = {"scope": "project", "project_id": task["project_id"], "period": "day"}
    await put(coordinator, **wish, limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1) as (one,):
        await one.request(DOLLAR)
        with pytest.raises(BudgetSpent):
            await one.request(DOLLAR)
        verdict = one.ledger.verdict()
        assert verdict.reason == "budget_paused"
        await worker.finish(one.grant, reason=verdict.reason, usage=one.ledger.usage)
    queued = await coordinator.until_task(task["id"], "queued")
    assert (queued["pending_reason"], queued["tries"]) == ("budget", 0)
    assert not (await worker.poll(wait=0.3)).grants
    await put(coordinator, **wish, limit_micros=2 * DOLLAR)
    assert (await worker.poll(wait=5.0)).grants


async def test_a_step_waits_only_once_for_as_long_as_it_may(coordinator: RunningCoordinator) -> None:
    worker, _ = await one_spender(coordinator)
    await put(coordinator, scope="tenant", period="day", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1, patience=0.5) as (one,):
        await one.request(DOLLAR)
        with pytest.raises(BudgetSpent):
            await one.request(DOLLAR)
        assert one.ledger.over.is_set()
        told = one.share.number
        with pytest.raises(BudgetSpent):
            await one.request(DOLLAR)
        assert one.share.number == told + 1


async def test_a_days_budget_begins_anew_by_the_databases_clock(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    await put(coordinator, scope="tenant", period="day", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1, patience=30.0) as (one,):
        await one.request(DOLLAR)
        waiting = asyncio.create_task(one.request(DOLLAR))
        await coordinator.until_task(task["id"], "waiting")
        async with coordinator.served.services.database.transaction() as connection:
            await connection.execute(text("UPDATE budgets SET period_start = period_start - 1"))
        await waiting
        await beat(worker, one)
    (budget,) = (await coordinator.get("/budgets"))["items"]
    assert budget["spent_micros"] == DOLLAR


async def test_all_tries_of_a_task_share_its_budget(coordinator: RunningCoordinator) -> None:
    worker, _ = await one_spender(coordinator, budget_micros=DOLLAR)
    async with spenders(coordinator, worker, 1) as (one,):
        await one.request(DOLLAR // 2)
        await worker.finish(one.grant, reason="interrupted", usage=one.ledger.usage)
    async with spenders(coordinator, worker, 1) as (one,):
        await one.request(DOLLAR // 2)
        with pytest.raises(BudgetSpent):
            await one.request(1)
        # It asked for no more than the task has: this one fails, and no other day helps.
        assert one.ledger.verdict().reason == "budget_spent"


async def test_a_warning_comes_once_near_the_limit(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    await put(
        coordinator, scope="project", project_id=task["project_id"], period="day", limit_micros=DOLLAR,
        warn_percent=50,
    )  # fmt: skip
    async with spenders(coordinator, worker, 1) as (one,):
        for _ in range(6):
            await one.request(DOLLAR // 10)
            await beat(worker, one)
    near = [event["payload"] for event in await coordinator.events() if event["kind"] == "budget.near"]
    assert [(one["limit"], one["spent"], one["scope"]) for one in near] == [(DOLLAR, DOLLAR // 2, "project")]


async def test_what_lies_idle_is_given_back_with_a_heartbeat(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(max_running=2)
    await put(coordinator, scope="project", project_id=project, period="total", limit_micros=40_000)
    for _ in range(2):
        await coordinator.task(project)
    worker = await coordinator.worker()
    async with spenders(coordinator, worker, 2, patience=30.0) as (first, second):
        await first.request(10)
        waiting = asyncio.create_task(second.request(10))
        # Less than one share is left, and the first one holds it.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.shield(waiting)
        await beat(worker, first)
        await waiting


async def test_an_overtaken_report_takes_no_share_away(coordinator: RunningCoordinator) -> None:
    project = await coordinator.project(max_running=2)
    await put(coordinator, scope="project", project_id=project, period="total", limit_micros=40_000)
    for _ in range(2):
        await coordinator.task(project)
    worker = await coordinator.worker()
    async with spenders(coordinator, worker, 2) as (first, second):
        late = Spending(number=0, usage=Usage())
        await first.request(10)
        held = HeldExecution(execution_id=first.grant.execution_id, fence=first.grant.fence, spending=late)
        answer = await worker.ask("/heartbeat", HeartbeatRequest(executions=[held]), HeartbeatAnswer)
        for allowance in answer.allowances.values():
            first.share.hear(allowance)
        assert first.share.covers()
        # What the first one holds is still its own, and nothing is left for another.
        with pytest.raises(BudgetSpent):
            await second.request(10)


async def test_a_restarted_worker_asks_beyond_what_it_told_before(coordinator: RunningCoordinator) -> None:
    worker, _ = await one_spender(coordinator)
    await put(coordinator, scope="tenant", period="day", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1, patience=300.0) as (one,):
        one.share.number = 1_000_000
        await one.request(DOLLAR // 4)
        await beat(worker, one)
        # All that it remembers is what was spent.
        before = Usage(cost_micros=one.micros, input_tokens=1, output_tokens=1)
        again = Spender(one.grant, Share(one.share.report, before=before, patience_seconds=300.0))
        async with asyncio.timeout(60):
            await again.request(DOLLAR // 4)
        await beat(worker, again)
    execution = await coordinator.get(f"/executions/{one.grant.execution_id}")
    assert execution["cost_micros"] == DOLLAR // 2


async def test_a_late_report_asks_nobody_behind_finished_work(coordinator: RunningCoordinator) -> None:
    worker, task = await one_spender(coordinator)
    await put(coordinator, scope="tenant", period="day", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1) as (one,):
        await one.request(DOLLAR // 2)
        await one.request(DOLLAR // 2)
        await beat(worker, one)
        await one.share.report(Spending(number=1, usage=one.ledger.usage), asks=True)
        assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "running"
        # It may also come before what overtakes it: the next step says that nobody waits.
        await one.share.report(Spending(number=100, usage=one.ledger.usage), asks=True)
        await coordinator.until_task(task["id"], "waiting")
        await worker.walk(one.grant, "verify", "publish")
        assert (await worker.finish(one.grant, usage=one.ledger.usage)).status_code == 200
    assert (await coordinator.get(f"/tasks/{task['id']}"))["state"] == "completed"


async def test_another_workers_report_changes_nothing(coordinator: RunningCoordinator) -> None:
    worker, _ = await one_spender(coordinator)
    other = await coordinator.worker()
    async with spenders(coordinator, worker, 1) as (one,):
        one.ledger.record(1, 1, DOLLAR)
        await beat(other, one)
        assert (await coordinator.get(f"/executions/{one.grant.execution_id}"))["cost_micros"] == 0


@pytest.mark.parametrize(
    "wish",
    [
        {"scope": "tenant", "period": "day"},
        {"scope": "project", "period": "day", "limit_micros": 1},
        {"scope": "task", "period": "day", "limit_micros": 1},
        {"scope": "tenant", "period": "year", "limit_micros": 1},
        {"scope": "tenant", "period": "day", "limit_micros": 0},
        {"scope": "tenant", "period": "day", "limit_micros": 1, "warn_percent": 0},
    ],
)
async def test_a_budget_that_says_nothing_is_refused(
    coordinator: RunningCoordinator, wish: dict[str, Any]
) -> None:
    answered = await coordinator.http.put("/api/v1/budgets", json=wish)
    assert answered.status_code == 422


async def test_a_foreign_project_has_no_budget(coordinator: RunningCoordinator) -> None:
    wish = {"scope": "project", "project_id": "proj_none", "limit_micros": 1}
    assert (await coordinator.http.put("/api/v1/budgets", json=wish)).status_code == 404


async def test_a_finish_counts_what_was_never_told(coordinator: RunningCoordinator) -> None:
    worker, _ = await one_spender(coordinator)
    budget = await put(coordinator, scope="tenant", period="month", limit_micros=DOLLAR)
    async with spenders(coordinator, worker, 1) as (one,):
        one.ledger.record(3, 4, DOLLAR // 4)
        await beat(worker, one)
        usage = Usage(input_tokens=30, output_tokens=40, cost_micros=DOLLAR // 2)
        await worker.finish(one.grant, usage=usage)
    read = await coordinator.get(f"/budgets/{budget['id']}")
    assert (read["spent_micros"], read["spent_tokens"]) == (DOLLAR // 2, 70)
    assert (await coordinator.get("/tenant"))["spent_today_micros"] == DOLLAR // 2
