"""The pool of connections: one request is one transaction."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

import asyncpg
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from pullyard.store.errors import PartLost, StoreRefused
from pullyard.store.hot import HotConnections
from pullyard.store.urls import for_sqlalchemy, without_password
from pullyard.store.watched import WatchedConnection

MINIMUM_VERSION = 14
POOL_TIMEOUT_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = 10

write_json = partial(json.dumps, separators=(",", ":"), ensure_ascii=False)


def note(connection: AsyncConnection, fact: object) -> None:
    """Something this transaction has done, for ``Database.on_commit``."""
    connection.info.setdefault(_NOTED, []).append(fact)


class Whole:
    """Several blocks of one task that are one transaction. It connects when the first of them begins."""

    def __init__(self, database: "Database") -> None:
        self.database = database
        self.task = asyncio.current_task()
        self.connection: AsyncConnection | None = None
        self.after: list[Callable[[], None]] = []
        self.broken = False
        self.given_up = False

    def give_up(self) -> None:
        """Roll everything back at the end, without an error."""
        self.given_up = True

    async def join(self) -> AsyncConnection:
        if self.connection is None:
            self.connection = await self.database.engine.connect()
        return self.connection

    async def end(self, *, commit: bool) -> None:
        if self.connection is None:
            return
        try:
            if commit:
                await self.connection.commit()
        finally:
            # What is not committed is rolled back by this, also where the request is being cancelled.
            await asyncio.shield(asyncio.ensure_future(self.connection.close()))


_NOTED = "noted"
_whole: ContextVar[Whole | None] = ContextVar("whole", default=None)


class Database:
    """All statements of a process go through one of these.

    ``direct_url`` says that ``url`` is a PgBouncer in transaction mode: nothing is then kept on a server
    connection between two transactions, and what must have a session of its own (``LISTEN``, migrations,
    ``pg_dump``) uses ``direct_url``. ``hot`` has a few connections beside the ``pool_size`` ones.
    """

    def __init__(self, url: str, *, direct_url: str | None = None, pool_size: int = 10) -> None:
        self.url = url
        self.direct_url = direct_url or url
        options = connect_options(pooled_by_server=direct_url is not None)
        self.engine = create_engine(url, options, pool_size=pool_size)
        self.hot = HotConnections(url, options)

    async def open(self) -> None:
        """Connects once, so that a wrong address or an old server is told at the start."""
        try:
            async with self.transaction() as connection:
                number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
            await self.hot.open()
        except (OSError, TimeoutError, DBAPIError, asyncpg.PostgresError) as error:
            await self.close()
            reason = getattr(error, "orig", error)
            raise StoreRefused(
                f"Postgres can't be reached at {without_password(self.url)}: {reason}",
                code="database-unreachable",
            ) from error
        if number // 10_000 < MINIMUM_VERSION:
            await self.close()
            raise StoreRefused(
                f"Pullyard needs Postgres {MINIMUM_VERSION} or newer, and this one is {number // 10_000}: "
                "upgrade it, or give the address of another one.",
                code="database-too-old",
            )

    async def close(self) -> None:
        """Closes every connection; may be called twice."""
        await self.hot.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end of the block, rolls back when it raises; inside ``whole`` that does both."""
        whole = self._joined()
        if whole is None:
            async with self.engine.begin() as connection:
                yield connection
            return
        try:
            yield await whole.join()
        except BaseException:
            # What the block has written so far can't be told from the rest, so nothing of it may stay.
            whole.broken = True
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """For a few named statements that look up rows by an index: inside ``whole`` they see what it wrote.

        Elsewhere each is a transaction by itself, without the round trips and the layers of one. Heartbeats
        need these connections, so whatever many may ask for at any time stays with ``transaction``.
        """
        if self.is_joined:
            async with self.transaction() as whole:
                yield whole
            return
        async with self.hot.reading() as connection:
            yield cast("AsyncConnection", connection)

    @asynccontextmanager
    async def own_transaction(self) -> AsyncIterator[AsyncConnection]:
        """As ``transaction``, but never a part of a whole: for what must see only what others see too."""
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def whole(self) -> AsyncIterator[Whole]:
        """Every ``transaction`` of this task inside the block is a part of one, committed at its end.

        Rolled back when the block raises or gives up. A part that raised has spoilt the rest, even where its
        error was caught: the end then raises PartLost instead of committing the half of it. What was handed
        to ``after_commit`` is called once all is committed, and never otherwise.
        """
        whole = Whole(self)
        token = _whole.set(whole)
        try:
            yield whole
            if whole.broken and not whole.given_up:
                raise PartLost
        except BaseException:
            await whole.end(commit=False)
            raise
        finally:
            _whole.reset(token)
        await whole.end(commit=not whole.given_up)
        if not whole.given_up:
            for call in whole.after:
                call()

    def on_commit(self, heard: Callable[[list[object]], None]) -> None:
        """``heard`` is called with what ``note`` was told within a transaction, once that is committed.

        It must neither block nor raise. What is rolled back is never told.
        """

        def committed(connection: Connection) -> None:
            if facts := connection.info.pop(_NOTED, None):
                heard(facts)

        def rolled_back(connection: Connection) -> None:
            # The notes of a connection that was lost went with it, and asking for them would be an error.
            if not connection.invalidated:
                connection.info.pop(_NOTED, None)

        event.listen(self.engine.sync_engine, "commit", committed)
        event.listen(self.engine.sync_engine, "rollback", rolled_back)

    def after_commit(self, call: Callable[[], None]) -> None:
        """At once, or inside ``whole`` when it is committed. ``call`` must neither block nor raise."""
        whole = self._joined()
        if whole is None:
            call()
        else:
            whole.after.append(call)

    @property
    def is_joined(self) -> bool:
        """Whether ``transaction`` would be a part of a whole now."""
        return self._joined() is not None

    def _joined(self) -> Whole | None:
        """Tasks that a request starts inherit its context, but must not use its connection beside it."""
        whole = _whole.get()
        mine = whole is not None and whole.database is self and whole.task is asyncio.current_task()
        return whole if mine else None


def connect_options(*, pooled_by_server: bool) -> dict[str, Any]:
    """As asyncpg takes them."""
    options: dict[str, Any] = {"timeout": CONNECT_TIMEOUT_SECONDS, "connection_class": WatchedConnection}
    if pooled_by_server:
        # Unnamed statements live within one transaction, and so on one server connection of the pool.
        options["statement_cache_size"] = 0
    else:
        options["server_settings"] = {
            "application_name": "pullyard",
            "timezone": "UTC",
            "jit": "off",
            "idle_in_transaction_session_timeout": "60s",
        }
    return options


def create_engine(url: str, options: dict[str, Any], *, pool_size: int) -> AsyncEngine:
    """Bare dicts and lists go into ``jsonb`` and come out of it, without a type in the statement."""
    connect_args = dict(options)
    if "statement_cache_size" in options:
        connect_args |= {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}
    engine = create_async_engine(
        for_sqlalchemy(url),
        pool_size=pool_size,
        max_overflow=0,
        # An error of a statement goes into the log, and what people wrote does not.
        hide_parameters=True,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        # The connection used last has its statements prepared and planned; a turn through all would not find
        # them so, and would hold every connection open for ever.
        pool_use_lifo=True,
        connect_args=connect_args,
    )
    event.listen(engine.sync_engine, "connect", set_json_codecs)
    event.listen(engine.sync_engine, "checkout", refuse_closed)
    return engine


def set_json_codecs(dbapi_connection: Any, _record: Any) -> None:
    for name in ("json", "jsonb"):
        dbapi_connection.run_async(
            lambda driver, name=name: driver.set_type_codec(
                name, schema="pg_catalog", encoder=write_json, decoder=json.loads
            )
        )


def refuse_closed(dbapi_connection: Any, _record: Any, _proxy: Any) -> None:
    """After Postgres restarted the pool replaces its dead connections by itself, at no round trip."""
    if dbapi_connection.driver_connection.is_closed():
        raise DisconnectionError
