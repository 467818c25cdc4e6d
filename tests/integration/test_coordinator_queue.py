"""Any order of wishes, claims, endings and losses keeps the queue's summary and the states true."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pullyard.lifecycle.execution import EXECUTION_TRANSITIONS, PHASE_EVENTS, ExecutionState, Phase
from pullyard.lifecycle.policies import RetryPolicy, decide_retry
from pullyard.lifecycle.reasons import REASONS, Reason
from pullyard.lifecycle.task import FINAL_TASK_STATES, TASK_TRANSITIONS, TaskEvent, TaskState
from pullyard.protocol.worker import Grant
from pullyard.store.errors import is_away
from pullyard.store.queries import named
from tests.coordinator import RunningCoordinator, WireWorker, change_of, running_coordinator

# So long that whatever has to wait waits until a rule says that its time has come.
NEVER = 1_000_000.0
ALL_RUNNING = 3
LIMITS = (1, 2)
RETRY = RetryPolicy(max_tries=2, backoff_seconds=1000)
BAD_REASONS = [reason for reason in Reason if reason is not Reason.CANCELLED]

WATCH_MOVES = """
CREATE TABLE moves (place bigint GENERATED ALWAYS AS IDENTITY, kind text, before text, after text);
CREATE FUNCTION note_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO moves (kind, before, after) VALUES (TG_TABLE_NAME, OLD.state, NEW.state); RETURN NULL; END $$;
CREATE TRIGGER watch AFTER UPDATE OF state ON tasks FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_move();
CREATE TRIGGER watch AFTER UPDATE OF state ON task_executions FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_move();
"""
UNHEARD = "SELECT task_id FROM task_executions WHERE finished_at IS NULL AND acknowledged_at IS NULL"
MOVES = "SELECT DISTINCT kind, before, after FROM moves"
RUNNING = """
SELECT q.project_id, q.max_running, count(e.id) AS live, count(DISTINCT e.task_id) AS tasks
FROM project_queue q LEFT JOIN task_executions e ON e.project_id = q.project_id AND e.finished_at IS NULL
GROUP BY q.project_id, q.max_running
"""
LEGAL = {
    ("tasks", before.value, after.value) for (before, _), after in TASK_TRANSITIONS.items() if before != after
} | {
    ("task_executions", before.value, after.value)
    for (before, _), after in EXECUTION_TRANSITIONS.items()
    if before != after
}


class Yard:
    """One coordinator for all examples; each begins with empty tables."""

    def __init__(self, runner: asyncio.Runner, coordinator: RunningCoordinator) -> None:
        self.run = runner.run
        self.coordinator = coordinator
        self.worker = self.run(coordinator.worker(slots=4))

    async def rows(self, statement: str, **parameters: Any) -> list[Any]:
        async with self.coordinator.served.services.database.transaction() as connection:
            result = await connection.execute(text(statement), parameters)
            return list(result.all()) if result.returns_rows else []

    async def round(self, statement: str, **parameters: Any) -> None:
        """Let time pass for some rows, and the caretakers look."""
        await self.rows(statement, **parameters)
        services = self.coordinator.served.services
        await services.caretakers.round(services)

    async def empty(self) -> list[str]:
        await again_while_away(lambda: self.rows("TRUNCATE projects, moves CASCADE"))
        self.worker.held.clear()
        retry = {"max_tries": RETRY.max_tries, "backoff_seconds": RETRY.backoff_seconds}
        return [await self.coordinator.project(max_running=limit, retry=retry) for limit in LIMITS]


async def again_while_away(work: Callable[[], Awaitable[object]]) -> None:
    """What the coordinator looks at by itself takes its locks in another order, so one of both is refused."""
    while True:
        try:
            await work()
        except DBAPIError as error:
            if not is_away(error):
                raise
        else:
            return


@contextmanager
def open_yard(database_url: str) -> Iterator[Yard]:
    waits = {"caretaker_seconds": NEVER, "drift_seconds": NEVER, "slow_poll_seconds": NEVER}
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        coordinator = runner.run(
            stack.enter_async_context(running_coordinator(database_url, max_running=ALL_RUNNING, **waits))
        )
        yard = Yard(runner, coordinator)
        runner.run(yard.rows("SELECT 1"))
        for statement in WATCH_MOVES.replace("; RETURN NULL; END $$", "\0").split(";"):
            if statement.strip():
                runner.run(yard.rows(statement.replace("\0", "; RETURN NULL; END $$")))
        try:
            yield yard
        finally:
            runner.run(stack.aclose())


class Queue(RuleBasedStateMachine):
    """The model: every task's state as the rules say, and the live executions by task."""

    def __init__(self, yard: Yard) -> None:
        super().__init__()
        self.yard = yard
        self.worker: WireWorker = yard.worker
        self.projects = yard.run(yard.empty())
        self.home: dict[str, str] = {}
        self.states: dict[str, TaskState] = {}
        self.waits: dict[str, str] = {}
        self.tries: dict[str, tuple[int, int]] = {}
        self.live: dict[str, Grant] = {}
        self.phases: dict[str, ExecutionState] = {}
        self.cancelled: set[str] = set()

    def post(self, path: str, body: Any = None) -> Any:
        return self.yard.run(self.yard.coordinator.http.post("/api/v1" + path, json=body))

    def pick(self, data: st.DataObject, *states: TaskState) -> str:
        return data.draw(st.sampled_from([one for one, state in self.states.items() if state in states]))

    def has(self, *states: TaskState) -> bool:
        return any(state in states for state in self.states.values())

    def end(self, task_id: str, state: TaskState) -> None:
        """And what waits for it goes on, or ends with it."""
        self.states[task_id] = state
        for other in [one for one, awaited in self.waits.items() if awaited == task_id]:
            if self.states[other] is TaskState.PENDING:
                if state is TaskState.COMPLETED:
                    self.states[other] = TaskState.QUEUED
                else:
                    self.end(other, TaskState.FAILED)

    def settle(self, task_id: str, reason: Reason) -> None:
        """What the policy says after an execution that ended for ``reason``."""
        del self.live[task_id], self.phases[task_id]
        counts = REASONS[reason].counts_as_try
        tries, uncounted = self.tries[task_id]
        self.tries[task_id] = tries, uncounted = tries + counts, uncounted + (not counts)
        retry = decide_retry(RETRY, reason, tries, uncounted)
        if task_id in self.cancelled:
            self.cancelled.discard(task_id)
            self.end(task_id, TaskState.CANCELLED)
        elif retry is None:
            self.end(task_id, TaskState.FAILED)
        else:
            self.waits.pop(task_id, None)
            self.states[task_id] = TaskState.PENDING if retry.delay else TaskState.QUEUED

    @rule(project=st.integers(0, 1), priority=st.integers(-1, 1), data=st.data())
    def wish(self, project: int, priority: int, data: st.DataObject) -> None:
        project_id = self.projects[project]
        others = [one for one, home in self.home.items() if home == project_id]
        awaited = data.draw(st.sampled_from([None, *others]))
        body = {"title": "x", "priority": priority, "depends_on": [awaited] if awaited else []}
        answer = self.post(f"/projects/{project_id}/tasks", body)
        state = self.states.get(awaited or "")
        if state in (TaskState.FAILED, TaskState.CANCELLED):
            assert answer.json()["code"] == "dependency-ended"
            return
        assert answer.status_code == 201, answer.text
        task_id = answer.json()["id"]
        self.home[task_id] = project_id
        held = awaited is not None and state is not TaskState.COMPLETED
        self.states[task_id] = TaskState.PENDING if held else TaskState.QUEUED
        self.tries[task_id] = 0, 0
        if awaited:
            self.waits[task_id] = awaited

    def claimable(self) -> bool:
        if len(self.live) >= ALL_RUNNING:
            return False
        for project_id, limit in zip(self.projects, LIMITS, strict=True):
            mine = [one for one, home in self.home.items() if home == project_id]
            if len(self.live.keys() & set(mine)) < limit and any(
                self.states[one] is TaskState.QUEUED for one in mine
            ):
                return True
        return False

    @rule()
    def confirm(self) -> None:
        assert self.yard.run(self.worker.beat(*self.live.values())).lost == []

    @rule()
    def claim(self) -> None:
        expected = self.claimable()
        grants = self.yard.run(self.worker.poll(wait=5 if expected else 0.02)).grants
        assert len(grants) == expected
        for grant in grants:
            assert self.states[grant.task.id] is TaskState.QUEUED
            self.states[grant.task.id] = TaskState.RUNNING
            self.live[grant.task.id] = grant
            self.phases[grant.task.id] = ExecutionState.ASSIGNED

    @precondition(lambda self: self.live)
    @rule(data=st.data(), phase=st.sampled_from(Phase))
    def report_phase(self, data: st.DataObject, phase: Phase) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.live)))
        grant, state = self.live[task_id], self.phases[task_id]
        target = EXECUTION_TRANSITIONS.get((state, PHASE_EVENTS[phase]))
        body = f'{{"fence": {grant.fence}, "phase": "{phase}"}}'.encode()
        answer = self.yard.run(self.worker.post(f"/executions/{grant.execution_id}/phase", body))
        repeated = PHASE_STATES[phase] is state
        assert answer.status_code == (200 if target or repeated else 409)
        self.phases[task_id] = target or state

    @precondition(lambda self: self.live)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.live)))
        grant = self.live[task_id]
        left = [phase for phase in Phase if PHASE_STATES[phase] not in PASSED[self.phases[task_id]]]
        self.yard.run(self.worker.walk(grant, *left))
        for _ in range(2):
            answer = self.yard.run(self.worker.finish(grant, change=change_of(grant)))
            assert answer.status_code == 200, answer.text
        del self.live[task_id], self.phases[task_id]
        self.cancelled.discard(task_id)
        tries, uncounted = self.tries[task_id]
        self.tries[task_id] = tries + 1, uncounted
        self.end(task_id, TaskState.COMPLETED)

    @precondition(lambda self: self.live)
    @rule(data=st.data(), reason=st.sampled_from(BAD_REASONS))
    def fail(self, data: st.DataObject, reason: Reason) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.live)))
        answer = self.yard.run(self.worker.finish(self.live[task_id], reason=reason))
        assert answer.status_code == 200, answer.text
        self.settle(task_id, reason)

    @precondition(lambda self: self.states)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = self.pick(data, *TaskState)
        state = self.states[task_id]
        legal = (state, TaskEvent.CANCEL) in TASK_TRANSITIONS or state is TaskState.CANCELLED
        assert self.post(f"/tasks/{task_id}/cancel").status_code == (200 if legal else 409)
        if state is TaskState.RUNNING:
            self.cancelled.add(task_id)
        elif legal and state is not TaskState.CANCELLED:
            self.end(task_id, TaskState.CANCELLED)

    @precondition(lambda self: self.has(*FINAL_TASK_STATES))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        task_id = self.pick(data, *FINAL_TASK_STATES)
        awaited = self.waits.get(task_id)
        held = awaited is not None and self.states[awaited] is not TaskState.COMPLETED
        legal = self.states[task_id] is not TaskState.COMPLETED and not held
        assert self.post(f"/tasks/{task_id}/retry").status_code == (200 if legal else 409)
        if legal:
            self.states[task_id] = TaskState.QUEUED
            self.tries[task_id] = 0, 0

    @precondition(lambda self: self.live)
    @rule()
    def lose_the_worker(self) -> None:
        self.yard.run(self.worker.beat(*self.live.values()))
        self.yard.run(self.yard.round("UPDATE workers SET lease_expires_at = now() - interval '1 s'"))
        for task_id in list(self.live):
            self.settle(task_id, Reason.LEASE_EXPIRED)
        self.yard.run(self.worker.beat())

    @rule()
    def lose_the_grants(self) -> None:
        unheard = [row.task_id for row in self.yard.run(self.yard.rows(UNHEARD))]
        past = "UPDATE task_executions SET assigned_at = now() - interval '1 h' WHERE acknowledged_at IS NULL"
        self.yard.run(self.yard.round(past))
        for task_id in unheard:
            self.settle(task_id, Reason.GRANT_UNACKNOWLEDGED)

    @precondition(lambda self: self.has(TaskState.PENDING))
    @rule()
    def wait_for_the_backoff(self) -> None:
        held = self.yard.run(self.yard.rows("SELECT id FROM tasks WHERE pending_reason = 'backoff'"))
        self.yard.run(self.yard.round("UPDATE tasks SET not_before = now() WHERE not_before IS NOT NULL"))
        for row in held:
            self.states[row.id] = TaskState.QUEUED

    @invariant()
    def the_summary_is_the_truth(self) -> None:
        async def look() -> tuple[list[Any], list[Any], list[Any], list[Any]]:
            async with self.yard.coordinator.served.services.database.transaction() as connection:
                drift = (await connection.execute(named("drift_find"), {"project_id": None})).all()
                running = (await connection.execute(text(RUNNING))).all()
                moves = (await connection.execute(text(MOVES))).all()
                states = (await connection.execute(text("SELECT id, state FROM tasks"))).all()
                return [*drift], [*running], [*moves], [*states]

        drift, running, moves, states = self.yard.run(look())
        assert not [row for row in drift if (row.queued, row.running) != (row.true_queued, row.true_running)]
        assert not [row for row in drift if row.lanes_missing]
        assert all(row.live == row.tasks <= row.max_running for row in running)
        assert sum(row.live for row in running) == len(self.live) <= ALL_RUNNING
        assert {tuple(row) for row in moves} <= LEGAL
        assert {row.id: row.state for row in states} == self.states


PHASE_STATES = {
    phase: target
    for phase, event in PHASE_EVENTS.items()
    for (_, candidate), target in EXECUTION_TRANSITIONS.items()
    if candidate == event
}
ORDER = [ExecutionState.ASSIGNED, *PHASE_STATES.values()]
PASSED = {state: ORDER[: place + 1] for place, state in enumerate(ORDER)}


HISTORIES = 15


@pytest.mark.slow
def test_the_queue_stays_true_whatever_happens(database_url: str) -> None:
    histories: list[Queue] = []
    with open_yard(database_url) as yard:

        class QueueOfYard(Queue):
            def __init__(self) -> None:
                super().__init__(yard)
                histories.append(self)

        # A failure is shown as it was found: to look for a shorter one would take minutes.
        run_state_machine_as_test(
            QueueOfYard,
            settings=settings(
                max_examples=HISTORIES,
                stateful_step_count=30,
                deadline=None,
                database=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
    assert len(histories) >= HISTORIES
