"""The event feed: what happened, in an order that no reader ever has to go back on.

Cursors come from a sequence, so a later cursor may be visible while the transaction of an earlier one still
runs. A reader that went past it would never see it. The feed therefore delivers up to ``settled`` only: the
cursor up to which no event can appear any more.
"""

import asyncio
import contextlib
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.store.database import Database

GAP_SECONDS = 0.05
POLL_SECONDS = 5.0

APPEND = text(
    "INSERT INTO events (tenant_id, project_id, task_id, execution_id, kind, payload) "
    "VALUES (:tenant_id, :project_id, :task_id, :execution_id, :kind, :payload) RETURNING cursor"
)
NEWEST = text("SELECT coalesce(max(cursor), 0) FROM events")
# How far the cursors run on without a gap, and the newest one, in one look.
AHEAD = text(
    "SELECT coalesce(max(cursor) FILTER (WHERE cursor = :settled + place), :settled) AS unbroken, "
    "coalesce(max(cursor), :settled) AS newest "
    "FROM (SELECT cursor, row_number() OVER (ORDER BY cursor) AS place FROM events "
    "WHERE cursor > :settled ORDER BY cursor LIMIT 1000) AS ahead"
)
# Who writes events holds this lock from before the cursor is drawn until after the commit is visible.
WRITERS = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted "
    "AND mode = 'RowExclusiveLock' AND relation = CAST('events' AS regclass) "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
READ = text(
    "SELECT cursor, tenant_id, project_id, task_id, execution_id, kind, version, payload, at FROM events "
    "WHERE cursor > :after AND cursor <= :settled ORDER BY cursor LIMIT :limit"
)
READ_TENANT = text(READ.text.replace("WHERE", "WHERE tenant_id = :tenant_id AND", 1))
READ_SCOPE = text(
    READ_TENANT.text.replace(
        "ORDER BY",
        "AND (project_id = ANY(CAST(:project_ids AS text[])) OR task_id = ANY(CAST(:task_ids AS text[])) "
        "OR execution_id = ANY(CAST(:execution_ids AS text[]))) ORDER BY",
    )
)


@dataclass(frozen=True)
class StoredEvent:
    """One row of the feed; ``cursor`` is also the event's id for receivers that drop doubles."""

    cursor: int
    tenant_id: str
    project_id: str | None
    task_id: str | None
    execution_id: str | None
    kind: str
    version: int
    payload: dict[str, Any]
    at: datetime


@dataclass(frozen=True)
class Scope:
    """The events of any of these projects, tasks and executions."""

    project_ids: tuple[str, ...] = ()
    task_ids: tuple[str, ...] = ()
    execution_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gap:
    """Cursors up to ``newest`` that are missing can only still come from one of ``writers``."""

    newest: int
    writers: frozenset[str]


async def append_event(
    connection: AsyncConnection,
    *,
    tenant_id: str,
    kind: str,
    project_id: str | None = None,
    task_id: str | None = None,
    execution_id: str | None = None,
    payload: dict[str, Any] | None = None,
) -> int:
    """Writes an event in the transaction that it tells of, and returns its cursor.

    Events of one project are in the order of their cursors when the caller holds that project's row lock.
    """
    cursor = await connection.scalar(
        APPEND,
        {
            "tenant_id": tenant_id,
            "project_id": project_id,
            "task_id": task_id,
            "execution_id": execution_id,
            "kind": kind,
            "payload": payload or {},
        },
    )
    assert isinstance(cursor, int)
    return cursor


class Feed:
    """Reads events in order of their cursors; one for a process, for any number of readers."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settled: int | None = None
        self.gap: Gap | None = None
        self.woken = asyncio.Event()
        self.looking = asyncio.Lock()
        self.looks_begun = 0
        self.last_look = 0

    async def read(
        self, after: int, limit: int = 500, *, tenant_id: str | None = None, scope: Scope | None = None
    ) -> tuple[list[StoredEvent], int]:
        """Events after ``after``, oldest first, and the cursor to go on from; of all tenants for None.

        ``scope`` None is all of the tenant's. The cursor moves on past what is no event, and past events that
        were not asked for. Returns at once; use ``wait_beyond`` where there is nothing.
        """
        settled = self.settled
        if settled is None or after >= settled:
            settled = await self.look()
        if after >= settled:
            return [], after
        parameters: dict[str, Any] = {"after": after, "settled": settled, "limit": limit}
        query = READ
        if tenant_id is not None:
            query = READ_SCOPE if scope else READ_TENANT
            parameters |= {"tenant_id": tenant_id, **(asdict(scope) if scope else {})}
        async with self.database.own_transaction() as connection:
            rows = (await connection.execute(query, parameters)).all()
        events = [StoredEvent(*row) for row in rows]
        return events, events[-1].cursor if len(events) == limit else settled

    async def position(self) -> int:
        """The end of the feed now: whoever begins here misses nothing that is committed from now on."""
        return await self.look()

    async def newest(self) -> int:
        """The last cursor that is visible at all, also while it is not settled."""
        async with self.database.own_transaction() as connection:
            return int(await connection.scalar(NEWEST) or 0)

    async def wait_beyond(self, cursor: int) -> None:
        """Returns when there is something to read after ``cursor``."""
        while True:
            # Taken before the look: a wake in between is then not lost.
            woken = self.woken
            if await self.look() > cursor:
                return
            await pause(woken, GAP_SECONDS if self.gap else POLL_SECONDS)

    def wake(self) -> None:
        """Says that events may have been committed, here or by another replica."""
        self.woken.set()
        self.woken = asyncio.Event()

    async def look(self) -> int:
        """Moves ``settled`` as far as it goes, and returns it. Callers at the same time share a look."""
        begun_before = self.looks_begun
        async with self.looking:
            if self.settled is None or self.last_look <= begun_before:
                self.looks_begun += 1
                async with self.database.own_transaction() as connection:
                    self.settled = await self.settle(connection)
                # Not reached by a look that failed or was cancelled: the next caller looks for itself.
                self.last_look = self.looks_begun
            return self.settled

    async def settle(self, connection: AsyncConnection) -> int:
        if self.settled is None:
            return await self.settle_first(connection)
        settled = self.settled
        if self.gap and not self.gap.writers & await writers(connection):
            settled, self.gap = max(settled, self.gap.newest), None
        unbroken, newest = (await connection.execute(AHEAD, {"settled": settled})).one()
        if unbroken == newest:
            self.gap = None
            return newest
        if self.gap is None:
            # Asked after the look: a transaction that has ended in between is seen by the next look.
            self.gap = Gap(newest, frozenset(await writers(connection)))
            if not self.gap.writers:
                return await self.settle(connection)
        return unbroken

    async def settle_first(self, connection: AsyncConnection) -> int:
        """The feed may be long, so its gaps are not looked for; whoever writes now is waited for instead."""
        newest = int(await connection.scalar(NEWEST) or 0)
        waited_for = await writers(connection)
        while waited_for & await writers(connection):
            await pause(self.woken, GAP_SECONDS)
        return newest


async def pause(woken: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()


async def writers(connection: AsyncConnection) -> set[str]:
    """The transactions that have written events, or are about to, and are not over."""
    return set(await connection.scalars(WRITERS))
