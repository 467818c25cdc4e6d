"""The store's member in memory: tables of dicts, and transactions that answer the queries by their names.

It is as strong as what the coordinator relies on, and no stronger. Up to its first write or lock a
transaction may be interrupted after every statement, so that whatever it has read may be stale by then; from
there on it is one step, as the project's row lock makes it in Postgres. The conformance test beside the
histories holds every query here against real Postgres, table by table.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pullyard.store.feed import APPEND
from pullyard.store.hot import direct
from pullyard.store.queries import named
from simulation.virtual_loop import NODE

Row = dict[str, Any]
TABLES = (
    "tenants",
    "members",
    "projects",
    "project_queue",
    "lanes",
    "workers",
    "tasks",
    "task_dependencies",
    "task_executions",
    "execution_nodes",
    "changes",
    "budgets",
    "spending",
    "errands",
    "log_streams",
    "log_chunks",
    "events",
)
ADVISORY_LOCK = "pg_advisory_xact_lock"


class LockHeld(TimeoutError):
    """As where Postgres does not wait any longer for a lock."""


class ConstraintBroken(Exception):
    """What Postgres would refuse by a CHECK or a UNIQUE: the code relies on never getting there."""


@dataclass
class Tables:
    """Rows by key. ``now`` is the database's wall clock, in seconds."""

    now: Callable[[], float]
    rows: dict[str, dict[Any, Row]] = field(default_factory=lambda: {name: {} for name in TABLES})
    sequences: dict[str, int] = field(default_factory=dict)
    day_begins: float = 0.0
    """By so many seconds the database's day is ahead of the clock, so that a history may see it end."""

    def __post_init__(self) -> None:
        # Each table is an attribute, too.
        self.__dict__.update(self.rows)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> dict[Any, Row]: ...

    @property
    def tenant(self) -> Row:
        """A history has one."""
        (row,) = self.rows["tenants"].values()
        return row

    @tenant.setter
    def tenant(self, row: Row) -> None:
        self.tenants.clear()
        self.tenants[row["id"]] = row

    def today(self) -> date:
        return datetime.fromtimestamp(self.now() + self.day_begins, UTC).date()

    def end_of_day(self) -> float:
        """In seconds, as ``now`` has them."""
        now = self.now() + self.day_begins
        return now - now % 86_400 + 86_400 - self.day_begins

    def draw(self, sequence: str) -> int:
        """Like Postgres's: a number that was drawn is gone, also when its transaction rolls back."""
        number = self.sequences.get(sequence, 0) + 1
        self.sequences[sequence] = number
        return number


@dataclass(slots=True)
class Answer:
    """What ``execute`` gives, as far as it is used: rows by attribute, by mapping, or their number."""

    rows: list[Row] = field(default_factory=list)
    rowcount: int = 0

    def __iter__(self) -> Iterator[SimpleNamespace]:
        return (SimpleNamespace(**row) for row in self.rows)

    def all(self) -> list[SimpleNamespace]:
        return list(self)

    def mappings(self) -> "Mappings":
        return Mappings(self.rows)

    def one(self) -> SimpleNamespace:
        (row,) = self.rows
        return SimpleNamespace(**row)

    def one_or_none(self) -> SimpleNamespace | None:
        return self.one() if self.rows else None

    def scalar(self) -> Any:
        return next(iter(self.rows[0].values())) if self.rows else None


class Mappings(list[Row]):
    def all(self) -> list[Row]:
        return self

    def one(self) -> Row:
        (row,) = self
        return row

    def one_or_none(self) -> Row | None:
        return self.one() if self else None


@dataclass
class Statement:
    """How one query is answered. ``begin`` sees the snapshot; what it returns is handed to ``act``."""

    act: Callable[..., Answer]
    writes: bool = False
    begin: Callable[..., Any] | None = None


STATEMENTS: dict[str, Statement] = {}


def answers(name: str, *, writes: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the function that answers the query ``name``; ``writes`` also where it only takes a lock."""

    def register(act: Callable[..., Any]) -> Callable[..., Any]:
        STATEMENTS[name] = Statement(act, writes)
        return act

    return register


def begins(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the function that reads the snapshot of the query ``name``, before it takes its locks."""

    def register(begin: Callable[..., Any]) -> Callable[..., Any]:
        STATEMENTS[name].begin = begin
        return begin

    return register


@cache
def names_by_clause() -> dict[int, str]:
    """A statement is made once a process and never changes, so it is known by its identity."""
    return {**{id(named(name)): name for name in stored()}, id(APPEND): "event_append"}


@cache
def statements_by_text() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The same for those that go straight to the driver, with the names of their parameters in order."""
    return {direct(name).text: (name, direct(name).names) for name in stored()}


def stored() -> list[str]:
    """Those that are files of ``store/queries``."""
    return [name for name in STATEMENTS if name != "event_append"]


class AdvisoryLock:
    """One holder at a time, in the order of asking. A holder or a waiter that is killed gives it up."""

    def __init__(self) -> None:
        self.queue: deque[tuple[object, Any, asyncio.Future[None]]] = deque()

    async def take(self, owner: object) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.queue.append((owner, NODE.get(), turn))
        if len(self.queue) > 1:
            try:
                await turn
            except asyncio.CancelledError:
                self.give(owner)
                raise

    def give(self, owner: object) -> None:
        first = self.queue[0][0] if self.queue else None
        self.queue = deque(one for one in self.queue if one[0] is not owner)
        if first is owner:
            self.wake()

    def drop_dead(self) -> None:
        self.queue = deque(one for one in self.queue if one[1] is None or one[1].alive)
        self.wake()

    def wake(self) -> None:
        if self.queue and not self.queue[0][2].done():
            self.queue[0][2].set_result(None)


class Connection:
    """One transaction. What it changed is put back when it rolls back."""

    def __init__(self, database: "MemoryDatabase") -> None:
        self.database = database
        self.tables = database.tables
        self.removed = database.removed
        self.undo: list[tuple[str, Any, Row | None]] = []
        self.info: dict[Any, Any] = {}
        self.writing = False
        self.locked = False
        self.savepoint = 0

    async def execute(self, clause: Any, parameters: Mapping[str, Any] | None = None) -> Answer:
        if isinstance(clause, str):
            return await self.command(clause)
        name = names_by_clause().get(id(clause))
        if name is not None:
            return await self.run(name, parameters or {})
        if ADVISORY_LOCK in clause.text:
            await self.take_lock()
            return Answer([{"lock": None}])
        raise NotImplementedError(f"The memory member does not know this statement yet:\n{clause.text}")

    async def command(self, text: str) -> Answer:
        """A part of the transaction that may be taken back.

        Raises LockHeld where it would have to wait: what the transaction wrote before may be seen by nobody.
        """
        if text.startswith("ROLLBACK TO SAVEPOINT"):
            self.roll_back(self.savepoint)
            return Answer()
        assert text.startswith("SAVEPOINT")
        assert ADVISORY_LOCK in text
        self.savepoint = len(self.undo)
        if self.database.advisory.queue:
            raise LockHeld
        await self.take_lock()
        return Answer()

    async def fetch(self, text: str, *values: Any, record_class: Any = None) -> list[SimpleNamespace]:
        """As the driver's own connection has it."""
        del record_class
        if text not in statements_by_text():
            raise NotImplementedError(f"The memory member does not know this statement yet:\n{text}")
        name, names = statements_by_text()[text]
        return (await self.run(name, dict(zip(names, values, strict=True)))).all()

    async def take_lock(self) -> None:
        self.locked = True
        await self.database.advisory.take(self)

    async def run(self, name: str, parameters: Mapping[str, Any]) -> Answer:
        statement, database = STATEMENTS[name], self.database
        if database.trace is not None:
            database.trace(f"  sql {name}")
        snapshot = statement.begin(self, parameters) if statement.begin else None
        if not self.writing:
            if database.dice is not None and database.dice.random() < database.interrupted:
                await asyncio.sleep(database.dice.random() * database.interruption_seconds)
            self.writing = statement.writes
        if statement.begin:
            return statement.act(self, parameters, snapshot)
        return statement.act(self, parameters)

    async def scalar(self, clause: Any, parameters: Mapping[str, Any] | None = None) -> Any:
        return (await self.execute(clause, parameters)).scalar()

    def insert(self, table: str, key: Any, row: Row) -> None:
        if key in self.tables.rows[table]:
            raise ConstraintBroken(f"{table} has {key} already")
        self.undo.append((table, key, None))
        self.tables.rows[table][key] = row

    def update(self, table: str, key: Any, **values: Any) -> Row:
        row = self.tables.rows[table][key]
        self.undo.append((table, key, dict(row)))
        row.update(values)
        return row

    def delete(self, table: str, key: Any) -> None:
        self.undo.append((table, key, self.tables.rows[table].pop(key)))

    def roll_back(self, since: int = 0) -> None:
        while len(self.undo) > since:
            table, key, before = self.undo.pop()
            if before is None:
                self.tables.rows[table].pop(key, None)
            else:
                self.tables.rows[table][key] = before


class Transaction:
    """What ``MemoryDatabase.transaction`` gives: a connection for the length of a block.

    It is no generator, as there are hundreds in a history and most of them are one statement.
    """

    __slots__ = ("connection", "database", "lock")

    def __init__(self, database: "MemoryDatabase", lock: int | None) -> None:
        self.database = database
        self.lock = lock

    async def __aenter__(self) -> Any:
        self.database.away("begin")
        self.connection = connection = Connection(self.database)
        if self.lock is not None:
            await connection.take_lock()
        return connection

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        connection, database = self.connection, self.database
        try:
            if error is None:
                database.away("commit")
        except BaseException as away:
            error = away
            raise
        finally:
            if error is not None:
                connection.roll_back()
            if connection.locked:
                database.advisory.give(connection)
        if error is None and connection.undo:
            database.committed(connection.undo)
            database.away("committed")


class MemoryDatabase:
    """Stands where ``pullyard.store.database.Database`` stands.

    ``removed`` names the guards that a mutation takes out of the statements. ``committed`` is called after
    every commit that changed something. ``away`` may raise ConnectionError before a transaction and
    around its commit.
    """

    def __init__(
        self,
        tables: Tables,
        *,
        dice: random.Random | None = None,
        removed: frozenset[str] = frozenset(),
        interrupted: float = 0.2,
        interruption_seconds: float = 0.02,
    ) -> None:
        self.tables = tables
        self.dice = dice
        self.removed = removed
        self.interrupted = interrupted
        self.interruption_seconds = interruption_seconds
        self.advisory = AdvisoryLock()
        self.hot = MemoryHot(self)
        self.committed: Callable[[list[tuple[str, Any, Row | None]]], None] = lambda _: None
        self.away: Callable[[str], None] = lambda _: None
        self.trace: Callable[[str], None] | None = None

    def transaction(self, *, lock: int | None = None) -> "Transaction":
        return Transaction(self, lock)

    def on_commit(self, hear: Callable[[Any], None]) -> None:
        """Metrics and traces are not what a history is about."""

    def after_commit(self, news: Callable[[], None]) -> None:
        """No request of the simulation is a whole transaction: its news are told at once."""
        news()


class MemoryHot:
    """Stands where ``HotConnections`` stands."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.database = database
        self.transaction = database.transaction

    async def fetch(self, name: str, parameters: Mapping[str, Any]) -> list[SimpleNamespace]:
        async with self.database.transaction() as connection:
            return (await connection.run(name, parameters)).all()
