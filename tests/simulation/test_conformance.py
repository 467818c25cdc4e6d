"""The store's member in memory against real Postgres: the same operations, every table compared after each.

Both sides run the coordinator's own functions with the same ids and the same clock. Postgres is given a
``now`` of its own for that, in a schema that stands before its own functions.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
import zstandard
from simulation.coordinator import TENANT
from simulation.history import project_row, worker_row
from simulation.memory import STATEMENTS, MemoryDatabase, Tables, stored
from simulation.replaced import EPOCH_SECONDS

from pullyard.coordinator.caretakers.drift import repair_drift
from pullyard.coordinator.caretakers.due import enqueue_due_tasks
from pullyard.coordinator.caretakers.leases import Attendance, give_grace, take_back_overdue
from pullyard.coordinator.caretakers.offline import mark_offline
from pullyard.coordinator.executions.claim import CLAIM_LOCK, Slot, claim_tasks
from pullyard.coordinator.executions.dispatcher import Dispatcher
from pullyard.coordinator.executions.finish import finish_execution
from pullyard.coordinator.executions.finish_group import FinishGroups
from pullyard.coordinator.executions.phase import begin_phase
from pullyard.coordinator.logs.append import append_log
from pullyard.coordinator.logs.group import LogAppends
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.tasks.cancel import cancel_task
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.retry import retry_task
from pullyard.coordinator.workers.heartbeat import beat
from pullyard.lifecycle import ids
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.resources import TaskInput
from pullyard.protocol.worker import (
    Diffstat,
    FinishRequest,
    Grant,
    HeartbeatRequest,
    HeldExecution,
    PhaseReport,
    PublishedChange,
    Usage,
)
from pullyard.store.database import Database
from pullyard.store.queries import named
from tests.simulation.money_steps import bound, limited, pick, say, spend

STEPS = 90
SEEDS = (1, 2, 5, 6)
OWN_CLOCK = """
CREATE SCHEMA simulated;
CREATE TABLE simulated.clock (at timestamptz NOT NULL);
INSERT INTO simulated.clock VALUES (to_timestamp(0));
CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM simulated.clock';
"""
KEYS = {
    "task_dependencies": ("task_id", "depends_on"),
    "log_streams": ("execution_id", "stream"),
    "log_chunks": ("execution_id", "stream", "start_offset"),
    "execution_nodes": ("execution_id", "name", "attempt"),
    # Of those of one statement the order is nobody's promise.
    "events": (),
    "project_queue": ("project_id",),
    "spending": ("project_id", "day"),
}
COMPARED = (
    *("project_queue", "workers", "tasks", "task_dependencies", "task_executions", "execution_nodes"),
    *("changes", "log_streams", "log_chunks", "events", "budgets", "spending"),
)
# Drawn at random on each side, or by the driver's own clock.
NOT_COMPARED = {"correlation_id", "seen_at", "cursor", "turn", "fence"}
# The day of Postgres is today; what is spent until then is seen by what is claimed.
DAYS = {"day", "period_start", "spent_until"}
# A moment that is written into a question.
MOMENTS = {"asked_at", "answered_at"}
# Numbers of sequences: only their order is a promise.
RANKED = {"position", "lane_id"}


@dataclass
class Side:
    """One of the two, with what the caretakers ask of the services."""

    database: Any
    services: Any = None

    def __post_init__(self) -> None:
        quiet = SimpleNamespace(publish=lambda *_: None)
        settings = CoordinatorSettings(lease_seconds=30.0, acknowledge_seconds=15.0)
        self.services = SimpleNamespace(
            settings=settings,
            database=self.database,
            bus=quiet,
            hub=SimpleNamespace(watched=SimpleNamespace(is_watched=lambda _: False)),
            forgotten=SimpleNamespace(note=lambda *_: []),
            log_appends=LogAppends(self.database),
        )
        self.finishes = FinishGroups(Dispatcher(self.database, settings))

    async def told(self, act: Callable[["Side"], Coroutine[Any, Any, Any]]) -> Any:
        """What came of it, an error's sentence included."""
        try:
            return await act(self)
        except (PullyardError, IllegalTransition) as error:
            return f"{type(error).__name__}: {error}"


@dataclass
class Pair:
    memory: Side
    postgres: Side
    driver: asyncpg.Connection
    dice: random.Random
    now: float = EPOCH_SECONDS
    task_ids: list[str] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    holders: dict[str, str] = field(default_factory=dict)
    ends: dict[tuple[str, str], int] = field(default_factory=dict)

    async def both(self, act: Callable[[Side], Coroutine[Any, Any, Any]]) -> Any:
        """The answer of both, which has to be the same, as all tables have to be."""
        self.now += self.dice.choice((0.0, 0.5, 4.0, 12.0))
        await self.driver.execute("UPDATE simulated.clock SET at = to_timestamp($1)", self.now)
        seed = self.dice.random()
        answers = []
        for side in (self.memory, self.postgres):
            ids.SOURCE.random_bits = random.Random(seed).getrandbits
            answers.append(await side.told(act))
        assert plain(answers[0]) == plain(answers[1])
        await self.compare()
        return answers[1]

    async def compare(self) -> None:
        # The order of one claim's projects is nobody's promise: Postgres decides it for both.
        for row in await self.driver.fetch("SELECT project_id, turn FROM project_queue"):
            self.memory.database.tables.project_queue[row["project_id"]]["turn"] = row["turn"]
        for row in await self.driver.fetch("SELECT id, fence FROM task_executions"):
            if row["id"] in self.memory.database.tables.task_executions:
                self.memory.database.tables.task_executions[row["id"]]["fence"] = row["fence"]
        for table in COMPARED:
            here = [with_key(table, key, row) for key, row in self.memory.database.tables.rows[table].items()]
            there = [dict(row) for row in await self.driver.fetch(f"SELECT * FROM {table}")]
            columns = sorted(
                {column for row in here for column in row} & {column for row in there for column in row}
            )
            ours, theirs = ranked(table, here, columns), ranked(table, there, columns)
            assert len(ours) == len(theirs), table
            different = [
                (name, one[name], other[name])
                for one, other in zip(ours, theirs, strict=True)
                for name in one
                if one[name] != other[name]
            ]
            assert not different, (table, "memory, then Postgres", different)


def with_key(table: str, key: Any, row: dict[str, Any]) -> dict[str, Any]:
    names = KEYS.get(table, ("id",))
    return {**dict(zip(names, key if isinstance(key, tuple) else (key,), strict=False)), **row}


def ranked(table: str, rows: list[dict[str, Any]], columns: list[str]) -> list[dict[str, Any]]:
    order = {
        name: {value: place for place, value in enumerate(sorted({row[name] for row in rows}))}
        for name in RANKED & set(columns)
    }
    shown = [
        {
            name: order[name][row[name]]
            if name in order
            else len(row[name])
            if name == "lane_ids"
            else plain(row[name])
            for name in columns
            if name not in NOT_COMPARED | DAYS
        }
        for row in rows
    ]
    # By what names a row, so that a difference is shown as one.
    names = (*KEYS.get(table, ()), "id")
    return sorted(
        shown,
        key=lambda row: (
            [str(row[name]) for name in names if name in row] or [json.dumps(row, sort_keys=True)]
        ),
    )


def plain(value: Any) -> Any:
    match value:
        case datetime():
            return round(value.timestamp(), 2)
        case Enum():
            return value.value
        case float():
            return round(value, 2)
        case Grant():
            return (value.execution_id, value.branch, value.task.title, value.agent.name, value.resume_from)
        case list() | tuple():
            return [plain(one) for one in value]
        case dict():
            return {key: plain(one) for key, one in value.items() if key not in MOMENTS}
        case _:
            return value


# What both are asked to do. Each takes the pair and does one thing to it.


async def make(pair: Pair) -> None:
    dice, project = pair.dice, f"proj_{pair.dice.randrange(2)}"
    known = [one for one in pair.task_ids if pair.memory.database.tables.tasks[one]["project_id"] == project]
    wish = TaskInput(
        title=dice.choice(("Mend it", "Ärger mit Umlauten", "x")),
        priority=dice.randrange(3),
        labels=["gpu"] if dice.random() < 0.3 else [],
        depends_on=dice.sample(known, min(len(known), dice.choice((0, 0, 1, 2)))),
        draft=dice.random() < 0.1,
    )
    member = dice.choice((None, "mem_0", "mem_1"))

    async def act(side: Side) -> str:
        async with side.database.transaction() as connection:
            return await create_task(connection, TENANT, project, wish, member_id=member)

    task_id = await pair.both(act)
    if task_id.startswith("task_"):
        pair.task_ids.append(task_id)


async def claim(pair: Pair) -> None:
    labels = pair.dice.choice(([], ["gpu"]))
    workers = ["work_1", "work_2"] if not labels else ["work_0"]
    slots = [Slot(pair.dice.choice(workers), f"request-{pair.dice.randrange(5)}") for _ in range(3)]

    async def act(side: Side) -> list[tuple[int, Grant]]:
        async with side.database.hot.transaction(lock=CLAIM_LOCK) as connection:
            return await claim_tasks(
                connection, tenant_id=TENANT, labels=labels, slots=slots, max_running=4, lease_seconds=30.0
            )

    for place, grant in await pair.both(act):
        pair.grants.append(grant)
        pair.holders[grant.execution_id] = slots[place].worker_id


async def poll(pair: Pair) -> None:
    asked = {"tenant_id": TENANT, "worker_id": "work_1", "request_id": f"request-{pair.dice.randrange(5)}"}

    async def act(side: Side) -> list[Any]:
        return [
            (row.state, row.labels, row.slots, row.execution_id, row.task_slug)
            for row in await side.database.hot.fetch("poll", asked)
            if row.execution_id is not None
        ]

    await pair.both(act)


async def confirm(pair: Pair) -> None:
    worker_id = f"work_{pair.dice.randrange(3)}"
    mine = [grant for grant in pair.grants if pair.holders[grant.execution_id] == worker_id]
    named_ones = pair.dice.sample(mine, pair.dice.randrange(len(mine) + 1))
    held = [
        HeldExecution(execution_id=one.execution_id, fence=one.fence + pair.dice.choice((0, 0, 0, 1)))
        for one in named_ones
    ]
    request = HeartbeatRequest(executions=held, draining=pair.dice.random() < 0.1)

    async def act(side: Side) -> Any:
        answer = (await beat(side.services, TENANT, worker_id, request)).answer
        return (sorted(answer.cancel), answer.lost, answer.drain)

    await pair.both(act)


async def walk(pair: Pair) -> None:
    grant, worker, fence = pick(pair)
    report = PhaseReport(
        fence=fence, phase=pair.dice.choice(list(Phase)), facts={"at": pair.dice.randrange(9)}
    )

    async def act(side: Side) -> None:
        async with side.database.transaction() as connection:
            await begin_phase(connection, TENANT, worker, grant.execution_id, report)

    await pair.both(act)


def finish_of(pair: Pair, grant: Grant, fence: int) -> FinishRequest:
    reasons = (Reason.AGENT_FAILED, Reason.CANCELLED, Reason.NO_CHANGE, Reason.QUOTA_REACHED)
    reason = pair.dice.choice((None, None, None, *reasons))
    change = None
    if reason is None and pair.dice.random() < 0.8:
        change = PublishedChange(
            branch=grant.branch,
            base_branch="main",
            base_commit="0" * 40,
            commit="1" * 40,
            title="t",
            body="b",
            diffstat=Diffstat(files=[], additions=0, deletions=0),
        )
    salvaged = f"refs/salvage/{grant.execution_id}" if reason and pair.dice.random() < 0.5 else None
    return FinishRequest(
        fence=fence,
        reason=reason,
        message="said",
        change=change,
        salvage_ref=salvaged,
        usage=Usage(cost_micros=9_000) if pair.dice.random() < 0.2 else Usage(),
        quota_seconds=3.0,
    )


async def finish(pair: Pair) -> None:
    grant, worker, fence = pick(pair)
    request = finish_of(pair, grant, fence)

    async def act(side: Side) -> None:
        async with side.database.transaction() as connection:
            await finish_execution(connection, TENANT, worker, grant.execution_id, request)

    await pair.both(act)


async def finish_together(pair: Pair) -> None:
    wishes = [
        (one, finish_of(pair, one, one.fence))
        for one in pair.dice.sample(pair.grants, min(3, len(pair.grants)))
    ]
    # One of them at most: which worker's turn it is first among several is nobody's promise.
    if wishes:
        wishes[0][1].next_request_id = f"request-{len(pair.grants) % 5}"

    async def act(side: Side) -> list[Any]:
        written = await asyncio.gather(
            *(
                side.finishes.write(TENANT, pair.holders[grant.execution_id], grant.execution_id, request)
                for grant, request in wishes
            )
        )
        return [one and (one.ended.execution_id, one.ended.task_id, one.given.grants) for one in written]

    for (grant, _), one in zip(wishes, await pair.both(act), strict=True):
        for following in one[2] if one else ():
            pair.grants.append(following)
            pair.holders[following.execution_id] = pair.holders[grant.execution_id]


async def deliver(pair: Pair) -> None:
    """All phases, so that something comes to a good end."""
    grant, worker, fence = pick(pair)
    for phase in Phase:
        report = PhaseReport(fence=fence, phase=phase)

        async def act(side: Side, report: PhaseReport = report) -> None:
            async with side.database.transaction() as connection:
                await begin_phase(connection, TENANT, worker, grant.execution_id, report)

        await pair.both(act)
    await finish_together(pair)


async def log(pair: Pair) -> None:
    grant, worker, fence = pick(pair)
    stream = pair.dice.choice(("implement", "verify"))
    key = (grant.execution_id, stream)
    offset = pair.ends.get(key, 0) + (pair.dice.random() < 0.1)
    data = b"line\n" * pair.dice.randrange(1, 5)
    frame = zstandard.compress(data)

    async def act(side: Side) -> int:
        owner = (TENANT, worker, grant.execution_id)
        return await append_log(side.services, owner, stream=stream, fence=fence, offset=offset, frame=frame)

    end = await pair.both(act)
    if isinstance(end, int):
        pair.ends[key] = end


async def cancel(pair: Pair) -> None:
    task_id = pair.dice.choice(pair.task_ids)

    async def act(side: Side) -> None:
        async with side.database.transaction() as connection:
            await cancel_task(connection, TENANT, task_id)

    await pair.both(act)


async def retry(pair: Pair) -> None:
    task_id, resume = pair.dice.choice(pair.task_ids), pair.dice.random() < 0.3

    async def act(side: Side) -> None:
        async with side.database.transaction() as connection:
            await retry_task(connection, TENANT, task_id, resume=resume, member_id=None)

    await pair.both(act)


async def care(pair: Pair) -> None:
    """A caretakers' round, but for what is no part of a history."""

    async def act(side: Side) -> Any:
        async with side.database.transaction() as connection:
            look = (await connection.execute(named("caretaker_look"), {"acknowledge_seconds": 15.0})).one()
        attendance = Attendance(lambda: 0.0)
        attendance.last_seen = 0.0
        await take_back_overdue(side.services, attendance, look.expired, look.unacknowledged)
        await enqueue_due_tasks(side.services, look.due)
        if look.silent_workers:
            await mark_offline(side.services)
        next_due = None if look.next_due is None else float(look.next_due)
        return [sorted(look.expired), sorted(look.unacknowledged), look.due, next_due, look.silent_workers]

    await pair.both(act)


async def return_from_absence(pair: Pair) -> None:
    async def act(side: Side) -> None:
        await give_grace(side.services)

    await pair.both(act)


async def drift(pair: Pair) -> None:
    """Somebody's hand in the summary, and the repair."""
    project, queued = f"proj_{pair.dice.randrange(2)}", pair.dice.randrange(5)
    pair.memory.database.tables.project_queue[project]["queued"] = queued
    await pair.driver.execute("UPDATE project_queue SET queued = $1 WHERE project_id = $2", queued, project)

    async def act(side: Side) -> bool:
        return await repair_drift(side.services)

    await pair.both(act)


FROM_THE_START = (make, claim, poll, confirm, care, return_from_absence, drift)
WITH_TASKS = (make, cancel, retry)
WITH_GRANTS = (walk, finish, finish_together, deliver, deliver, log, log, confirm)
WITH_MONEY = (bound, spend, spend, limited, say)


@asynccontextmanager
async def opened(database_url: str, seed: int) -> AsyncIterator[Pair]:
    driver = await asyncpg.connect(database_url)
    name = await driver.fetchval("SELECT current_database()")
    await driver.execute(OWN_CLOCK)
    await driver.execute(f"ALTER DATABASE {name} SET search_path = simulated, pg_catalog, public")
    await driver.execute("SET search_path = simulated, pg_catalog, public")
    await driver.execute("ALTER TABLE task_executions ALTER assigned_at SET DEFAULT now()")
    database = Database(database_url)
    await database.open()
    tables = Tables(lambda: pair.now)
    pair = Pair(Side(MemoryDatabase(tables)), Side(database), driver, random.Random(seed))
    await fill(driver, tables)
    try:
        yield pair
    finally:
        await database.close()
        await driver.close()


async def fill(driver: asyncpg.Connection, tables: Tables) -> None:
    tables.tenant = {"id": TENANT, "max_running": 3}
    await driver.execute("INSERT INTO tenants (id, name, max_running) VALUES ($1, 'one', 3)", TENANT)
    for number, limit in enumerate((None, 1)):
        member = {"id": f"mem_{number}", "max_running": limit}
        tables.members[member["id"]] = member
        await driver.execute(
            "INSERT INTO members (id, tenant_id, name, role, max_running) VALUES ($1, $2, 'm', 'member', $3)",
            *(member["id"], TENANT, limit),
        )
    for number, limit in enumerate((1, 2)):
        row = project_row(f"proj_{number}", max_tries=2)
        tables.projects[row["id"]] = row
        tables.project_queue[row["id"]] = {
            "project_id": row["id"],
            "tenant_id": TENANT,
            "queued": 0,
            "running": 0,
            "max_running": limit,
            "active": True,
            "turn": tables.draw("turns"),
            "lane_ids": [],
        }
        await driver.set_type_codec("jsonb", schema="pg_catalog", encoder=to_json, decoder=from_json)
        names = [name for name in row if name != "labels"]
        places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
        await driver.execute(
            f"INSERT INTO projects ({', '.join(names)}) VALUES ({places})",
            *(row[name] for name in names),
        )
        await driver.execute(
            "INSERT INTO project_queue (project_id, tenant_id, max_running) VALUES ($1, $2, $3)",
            *(row["id"], TENANT, limit),
        )
    for number, slots in enumerate((1, 2, 2)):
        worker = {**worker_row(f"work_{number}", ["gpu"] if number == 0 else [], slots), "state": "idle"}
        tables.workers[worker["id"]] = worker
        await driver.execute(
            "INSERT INTO workers "
            "(id, tenant_id, name, state, labels, slots, software_version, protocol_version) "
            "VALUES ($1, $2, $1, 'idle', $3, $4, '0', $5)",
            *(worker["id"], TENANT, worker["labels"], slots, worker["protocol_version"]),
        )


def to_json(value: Any) -> str:
    return json.dumps(value)


def from_json(text: str) -> Any:
    return json.loads(text)


@pytest.mark.parametrize("seed", SEEDS)
async def test_both_members_answer_and_write_the_same(
    database_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(database_url, seed) as pair:
        monkeypatch.setattr(ids.SOURCE, "time_ns", lambda: int(pair.now * 1e9))
        monkeypatch.setattr(ids.SOURCE, "random_bits", random.Random(seed).getrandbits)
        for _ in range(STEPS):
            choices = [
                *FROM_THE_START,
                *(WITH_TASKS if pair.task_ids else ()),
                *(WITH_GRANTS * 3 + WITH_MONEY if pair.grants else ()),
            ]
            await pair.dice.choice(choices)(pair)
        states = {task["state"] for task in pair.memory.database.tables.tasks.values()}
        assert "completed" in states


def test_the_member_knows_no_query_that_is_gone() -> None:
    for name in stored():
        named(name)
    assert len(STATEMENTS) == len(stored()) + 1
