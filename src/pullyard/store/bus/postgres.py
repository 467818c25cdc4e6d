"""Postgres LISTEN/NOTIFY: nothing to install, and enough for a handful of replicas."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from pullyard.store.bus.exchange import ANSWER_SECONDS, Exchange
from pullyard.store.errors import DRIVER_AWAY
from pullyard.store.urls import for_libpq

CHANNEL = "pullyard"
NOTIFY = f"SELECT pg_notify('{CHANNEL}', message) FROM unnest($1::text[]) AS message"


class PostgresLink:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    @property
    def lost(self) -> bool:
        return self._connection.is_closed()

    async def send(self, messages: list[str]) -> None:
        await self._connection.execute(NOTIFY, messages)

    async def check(self) -> None:
        await self._connection.execute("SELECT 1")


class PostgresBus(Exchange):
    """One connection of its own for a replica.

    ``url`` must be the server's own address, since ``LISTEN`` does not work through a PgBouncer.
    """

    # Postgres takes 7,999 bytes in a message.
    message_bytes = 7_900
    lost_touch = DRIVER_AWAY

    def __init__(self, url: str) -> None:
        super().__init__()
        self.dsn = for_libpq(url)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[PostgresLink]:
        connection = await asyncpg.connect(
            self.dsn,
            timeout=ANSWER_SECONDS,
            command_timeout=ANSWER_SECONDS,
            server_settings={"application_name": "pullyard bus", "synchronous_commit": "off"},
        )
        try:
            await connection.add_listener(CHANNEL, self.listened)
            connection.add_termination_listener(lambda _: self.work.set())
            yield PostgresLink(connection)
        finally:
            connection.terminate()

    def listened(self, connection: Any, sender: int, _channel: str, message: Any) -> None:
        # Its own subscribers were told when it was published.
        if sender != connection.get_server_pid():
            self.hear(str(message))
