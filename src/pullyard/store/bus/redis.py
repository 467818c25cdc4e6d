"""Redis or Valkey: for many replicas that stream many logs, and to keep that traffic off Postgres."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from pullyard.store.bus.exchange import ANSWER_SECONDS, KEEPALIVE_SECONDS, Exchange


class RedisLink:
    """``reader`` ends when the connection is lost; its error is the link's."""

    def __init__(self, redis: Redis, channel: str, sender: str, reader: asyncio.Task[None]) -> None:
        self._redis = redis
        self._channel = channel
        self._sender = sender
        self._reader = reader

    @property
    def lost(self) -> bool:
        return self._reader.done()

    async def send(self, messages: list[str]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for message in messages:
            pipeline.publish(self._channel, f"{self._sender}\n{message}")
        async with asyncio.timeout(ANSWER_SECONDS):
            await pipeline.execute()

    async def check(self) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._redis.ping()


class RedisBus(Exchange):
    """Two connections for a replica: one listens to the installation's channel, the other publishes.

    Nothing is stored in Redis; a message is ``sender LF topic LF payload``, where the sender is a random name
    of the process. ``installation`` keeps the channels of several installations on one server apart.
    """

    message_bytes = 64 * 1024
    lost_touch = (OSError, TimeoutError, RedisError)

    def __init__(self, url: str, installation: str) -> None:
        super().__init__()
        self.url = url
        self.channel = f"pullyard:{installation}:news"
        self.sender = secrets.token_hex(8)

    @asynccontextmanager
    async def link(self) -> AsyncIterator[RedisLink]:
        # A client that reconnects by itself would not tell that messages were lost meanwhile. Its own
        # time-out uses wait_for, which on Python 3.11 may lose a cancellation, and the bus never closes.
        redis = Redis.from_url(
            self.url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=None,
            client_name="pullyard",
            protocol=2,
        )
        pubsub = redis.pubsub(ignore_subscribe_messages=False)
        reader: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await pubsub.subscribe(self.channel)
            # The confirmation: what is published from now on is heard.
            await pubsub.get_message(timeout=ANSWER_SECONDS)
            reader = asyncio.create_task(self.read(pubsub), name="bus reader")
            reader.add_done_callback(lambda _: self.work.set())
            yield RedisLink(redis, self.channel, self.sender, reader)
            # The link was found lost: its reader says by what.
            await reader
        finally:
            if reader is not None:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)
            with suppress(*self.lost_touch):
                await pubsub.aclose()
                await redis.aclose()

    async def read(self, pubsub: PubSub) -> None:
        """Until the connection is lost. A server that goes away without a word does not answer a ping."""
        pinged = False
        while True:
            message = await pubsub.get_message(timeout=ANSWER_SECONDS if pinged else KEEPALIVE_SECONDS)
            if message is None:
                if pinged:
                    raise TimeoutError("Redis does not answer any more")
                await pubsub.ping()
                pinged = True
                continue
            pinged = False
            if message["type"] == "message":
                sender, _, rest = cast("bytes", message["data"]).decode("utf-8", "replace").partition("\n")
                if sender != self.sender:
                    self.hear(rest)
