"""The statements that run thousands of times a second go straight to the driver.

A statement through SQLAlchemy takes 0.14 ms of this process, and one through asyncpg 0.06; a transaction
around it 0.24 against 0.11. Everything else stays with ``Database.transaction``.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import TextClause

from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import read_statement
from pullyard.store.urls import for_libpq

# The claims and the finishes have one each at a time, log frames three; the rest is for polls and heartbeats.
CONNECTIONS = 7
CLOSE_SECONDS = 2
_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Row(asyncpg.Record):
    """Columns are attributes, as they are in SQLAlchemy's rows."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True)
class Statement:
    """Postgres' own ``$1`` in place of names, and the names in their order."""

    text: str
    names: tuple[str, ...]


@cache
def direct(name: str) -> Statement:
    """The statement in ``<name>.sql``; a parameter has a cast wherever Postgres can't tell its type."""
    return numbered(read_statement(name))


@cache
def numbered(text: str) -> Statement:
    places: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${places.setdefault(match[1], len(places) + 1)}"

    return Statement(_PARAMETER.sub(number, text), tuple(places))


async def fetch(connection: Any, name: str, parameters: Mapping[str, Any]) -> list[Row]:
    """All rows of the named statement; ``connection`` is the driver's own. Prepared once a connection."""
    statement = direct(name)
    values = [parameters[one] for one in statement.names]
    return await connection.fetch(statement.text, *values, record_class=Row)


class HotConnections:
    """A few connections without SQLAlchemy. Errors are asyncpg's own, all of them in ``DATABASE_AWAY``."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._url = url
        self._options = options
        self._opened: asyncpg.Pool | None = None

    async def open(self) -> None:
        """Connects when the first statement comes."""
        self._opened = await asyncpg.create_pool(
            for_libpq(self._url),
            min_size=0,
            max_size=CONNECTIONS,
            init=set_codecs,
            reset=keep,
            **self._planned_by_index(),
        )

    def _planned_by_index(self) -> dict[str, Any]:
        """Every statement here looks up a few rows by an index, and its plan lives as long as the connection.

        Made while a table is empty, a plan would read the whole of it, for minutes after it has grown.
        A bitmap reads every dead entry of an index again and again, where a plain scan marks it and passes it
        over from then on; in a queue most entries are dead. And no plan is so much better for one value than
        for another that it is worth making anew.
        """
        settings = self._options.get("server_settings")
        if settings is None:
            return self._options
        chosen = {f"enable_{way}": "off" for way in ("seqscan", "bitmapscan", "hashjoin", "mergejoin")}
        chosen["plan_cache_mode"] = "force_generic_plan"
        return {**self._options, "server_settings": {**settings, **chosen}}

    @property
    def _pool(self) -> asyncpg.Pool:
        assert self._opened is not None, "open it first"
        return self._opened

    async def close(self) -> None:
        """Closes every connection; one that is in use is cut after a moment. May be called twice."""
        pool, self._opened = self._opened, None
        if pool is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()

    async def fetch(self, name: str, parameters: Mapping[str, Any]) -> list[Row]:
        """One statement that is a transaction by itself: a single round trip."""
        async with self._pool.acquire() as connection:
            return await fetch(connection, name, parameters)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["HotConnection"]:
        """For statements that only read, each of which is a transaction by itself."""
        async with self._pool.acquire() as connection:
            yield HotConnection(connection)

    @asynccontextmanager
    async def transaction(self, *, lock: int | None = None) -> AsyncIterator[Any]:
        """Commits at the end of the block, rolls back when it raises.

        ``lock`` is an advisory lock of the transaction, taken in the round trip that begins it.
        """
        begin = "BEGIN" if lock is None else f"BEGIN; SELECT pg_advisory_xact_lock({lock:d})"
        async with self._pool.acquire() as connection:
            await connection.execute(begin)
            try:
                yield connection
            except BaseException:
                # A connection that is gone has rolled back by itself.
                with suppress(*DATABASE_AWAY):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")


class HotConnection:
    """As much of SQLAlchemy's connection as named statements need, over the driver's own.

    Functions that are called with either take the same statements; the types of parameters are then told by
    Postgres, not by their values.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    async def execute(self, clause: TextClause, parameters: Mapping[str, Any] | None = None) -> "Rows":
        statement = numbered(clause.text.replace(r"\:", ":"))
        values = [(parameters or {})[one] for one in statement.names]
        return Rows(await self._driver.fetch(statement.text, *values, record_class=Row))

    async def scalar(self, clause: TextClause, parameters: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row; None where there is none."""
        return (await self.execute(clause, parameters)).scalar()


class Rows(list[Row]):
    """A whole result."""

    def all(self) -> list[Row]:
        return self

    def one(self) -> Row:
        (row,) = self
        return row

    def one_or_none(self) -> Row | None:
        return self.one() if self else None

    def scalar(self) -> Any:
        return self[0][0] if self else None

    def mappings(self) -> "Rows":
        return self


async def set_codecs(connection: Any) -> None:
    # The byte before the text is the version of jsonb's binary form.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + _encode(value),
        decoder=lambda data: _decode(data[1:]),
    )


async def keep(_connection: Any) -> None:
    """Nothing here changes a session, so nothing has to be put back, which would cost a round trip."""
