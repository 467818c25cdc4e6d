"""News between replicas over Postgres: at most one message a topic every few milliseconds."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from pullyard.store.errors import StoreRefused
from pullyard.store.urls import for_libpq

CHANNEL = "pullyard"
# Postgres takes 7,999 bytes in a message, topic included.
MESSAGE_BYTES = 7_900
FLUSH_SECONDS = 0.005
KEEPALIVE_SECONDS = 15.0
ANSWER_SECONDS = 10
RECONNECT_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
# Beyond this many the others are told to look at everything, which costs less.
PENDING_TOPICS = 5_000
LOST_TOUCH = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
NOTIFY = f"SELECT pg_notify('{CHANNEL}', message) FROM unnest($1::text[]) AS message"

logger = structlog.get_logger(__name__)
Callback = Callable[[str | None, str], None]
"""Called in the event loop with a topic and its newest payload. The topic is None when messages may have
been missed: look at everything again. It must neither block nor raise."""


class Bus:
    """One connection of its own for a replica. Messages are hints: they may be lost, and the last one of a
    topic wins, so whoever cares also looks for itself now and then.

    ``url`` must be the server's own address, since ``LISTEN`` does not work through a PgBouncer.
    """

    def __init__(self, url: str) -> None:
        self.dsn = for_libpq(url)
        self.callbacks: list[Callback] = []
        self.pending: dict[str, str] = {}
        self.overflowed = False
        self.work = asyncio.Event()
        self.listening = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begins to listen; does not fail when Postgres is away, but keeps trying."""
        self.task = asyncio.create_task(self.keep_connected(), name="bus")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.listening.wait()

    async def close(self) -> None:
        """What was published in the last few milliseconds may be lost; may be called twice."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Returns the function that ends the subscription."""
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def publish(self, topic: str, payload: str = "") -> None:
        """Tells this replica's subscribers at once, and the other replicas' within milliseconds.

        Topic and payload have 7,900 bytes together. Published after the commit that it tells of.
        """
        if len(topic.encode()) + len(payload.encode()) > MESSAGE_BYTES or "\n" in topic or "\0" in payload:
            raise StoreRefused(
                f"A message has {MESSAGE_BYTES} bytes at most, a topic of one line and no zero byte.",
                code="bus-message",
            )
        self.pending[topic] = payload
        if len(self.pending) > PENDING_TOPICS:
            self.pending.clear()
            self.overflowed = True
        self.work.set()
        self.tell(topic, payload)

    def tell(self, topic: str | None, payload: str) -> None:
        for callback in tuple(self.callbacks):
            callback(topic, payload)

    def hear(self, connection: Any, sender: int, _channel: str, message: Any) -> None:
        if sender == connection.get_server_pid():
            # Its own subscribers were told by publish.
            return
        topic, _, payload = str(message).partition("\n")
        self.tell(topic or None, payload)

    async def keep_connected(self) -> None:
        failures = 0
        while True:
            try:
                connection = await asyncpg.connect(
                    self.dsn,
                    timeout=ANSWER_SECONDS,
                    command_timeout=ANSWER_SECONDS,
                    server_settings={"application_name": "pullyard bus", "synchronous_commit": "off"},
                )
                try:
                    await connection.add_listener(CHANNEL, self.hear)
                    self.listening.set()
                    if failures:
                        logger.info("bus.connected")
                        self.overflowed = True
                        self.work.set()
                        self.tell(None, "")
                    failures = 0
                    await self.serve(connection)
                finally:
                    self.listening.clear()
                    connection.terminate()
            except LOST_TOUCH as error:
                if not failures:
                    logger.warning("bus.disconnected", reason=str(error))
            wait = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(wait)

    async def serve(self, connection: asyncpg.Connection) -> None:
        """Sends what is published until the connection is lost."""
        connection.add_termination_listener(lambda _: self.work.set())
        while not connection.is_closed():
            try:
                async with asyncio.timeout(KEEPALIVE_SECONDS):
                    await self.work.wait()
            except TimeoutError:
                # A connection whose other end is gone without a word is found out by this.
                await connection.execute("SELECT 1")
                continue
            await asyncio.sleep(FLUSH_SECONDS)
            self.work.clear()
            messages = [f"{topic}\n{payload}" for topic, payload in self.pending.items()]
            if self.overflowed:
                messages.append("\n")
            self.pending, self.overflowed = {}, False
            if messages and not connection.is_closed():
                await connection.execute(NOTIFY, messages)
