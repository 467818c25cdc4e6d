"""What the buses have in common: subscribers, bursts made into one message, the way back after a loss."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from pullyard.store.bus.protocol import Callback
from pullyard.store.errors import StoreRefused

FLUSH_SECONDS = 0.005
# A topic without a payload only says where to look. A busy coordinator has one after every commit, and each
# that is sent takes a transaction and comes back to its sender.
HINT_SECONDS = 0.03
KEEPALIVE_SECONDS = 15.0
ANSWER_SECONDS = 10
RECONNECT_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
# Beyond so much the others are told to look at everything, which costs less.
PENDING_TOPICS = 5_000
PENDING_BYTES = 4 * 1024 * 1024

logger = structlog.get_logger(__name__)


class Link(Protocol):
    """One connection that listens already. Its methods raise what ``lost_touch`` names once it is lost."""

    @property
    def lost(self) -> bool: ...

    async def send(self, messages: list[str]) -> None: ...

    async def check(self) -> None:
        """Asks the other end for a sign of life, and waits for it."""
        ...


class Exchange:
    """A member adds ``link``: a context that connects, calls ``hear`` for what comes and ``work.set`` when
    it is lost. A message is the topic, a line feed and the payload; without both it means everything."""

    message_bytes: int
    lost_touch: tuple[type[Exception], ...]

    def __init__(self) -> None:
        self.callbacks: list[Callback] = []
        self.pending: dict[str, str] = {}
        self.pending_bytes = 0
        self.overflowed = False
        self.work = asyncio.Event()
        self.urgent = asyncio.Event()
        self.listening = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def link(self) -> AbstractAsyncContextManager[Link]:
        raise NotImplementedError

    @property
    def is_connected(self) -> bool:
        return self.listening.is_set()

    async def open(self) -> None:
        self.task = asyncio.create_task(self.keep_connected(), name="bus")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.listening.wait()

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
            self.task = None

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def publish(self, topic: str, payload: str = "") -> None:
        self.tell_others(topic, payload)
        self.tell(topic, payload)

    def tell_others(self, topic: str, payload: str = "") -> None:
        length = len(topic.encode()) + len(payload.encode())
        if length > self.message_bytes or "\n" in topic or "\0" in topic + payload:
            raise StoreRefused(
                f"A message has {self.message_bytes} bytes at most, a topic of one line and no zero byte.",
                code="bus-message",
            )
        self.pending[topic] = payload
        self.pending_bytes += length
        if len(self.pending) > PENDING_TOPICS or self.pending_bytes > PENDING_BYTES:
            self.pending.clear()
            self.pending_bytes = 0
            self.overflowed = True
        self.work.set()
        if payload:
            self.urgent.set()

    def tell(self, topic: str | None, payload: str) -> None:
        for callback in tuple(self.callbacks):
            callback(topic, payload)

    def hear(self, message: str) -> None:
        """What another replica has sent."""
        topic, _, payload = message.partition("\n")
        self.tell(topic or None, payload)

    async def keep_connected(self) -> None:
        failures = 0
        while True:
            try:
                async with self.link() as link:
                    self.listening.set()
                    if failures:
                        logger.info("bus.connected")
                        self.overflowed = True
                        self.work.set()
                        self.tell(None, "")
                    failures = 0
                    try:
                        await self.serve(link)
                    finally:
                        self.listening.clear()
            except self.lost_touch as error:
                if not failures:
                    logger.warning("bus.disconnected", reason=str(error) or type(error).__name__)
            except Exception:
                # A replica that hears nothing is of no use, so no bug ends the way back.
                logger.exception("a bug in the bus")
            wait = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
            failures += 1
            await asyncio.sleep(wait)

    async def serve(self, link: Link) -> None:
        """Sends what is published until the connection is lost."""
        flushed_at = 0.0
        while not link.lost:
            try:
                async with asyncio.timeout(KEEPALIVE_SECONDS):
                    await self.work.wait()
            except TimeoutError:
                # A connection whose other end is gone without a word is found out by this.
                await link.check()
                continue
            # The first word after a silence goes at once; those of a burst wait for each other.
            await asyncio.sleep(max(0.0, flushed_at + FLUSH_SECONDS - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, flushed_at + HINT_SECONDS - time.monotonic())):
                    await self.urgent.wait()
            self.work.clear()
            self.urgent.clear()
            messages = [f"{topic}\n{payload}" for topic, payload in self.pending.items()]
            if self.overflowed:
                messages.append("\n")
            self.pending, self.pending_bytes, self.overflowed = {}, 0, False
            if messages and not link.lost:
                await link.send(messages)
            flushed_at = time.monotonic()
