"""All live connections of one replica: who may be here, who is still there, and what they share."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.hub.event_fanout import EventFanout
from pullyard.coordinator.hub.followings import Followings
from pullyard.coordinator.hub.log_blocks import LogBlocks
from pullyard.coordinator.hub.log_fanout import LogFanout
from pullyard.coordinator.hub.log_news import LogNews
from pullyard.coordinator.hub.subscriber import Subscriber
from pullyard.coordinator.hub.watched import Watched
from pullyard.coordinator.services import Services
from pullyard.protocol.errors import RequestError
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import named
from pullyard.telemetry.loops import keep_running

logger = structlog.get_logger(__name__)

CHECK_SECONDS = 4.0
"""A credential that was revoked closes its connections within 5 s, whatever word of it got lost."""
TICK_SECONDS = 2.0


class Client(ABC):
    """One live connection; its subscriber and its end are its own."""

    principal: Principal
    subscriber: Subscriber

    @abstractmethod
    async def refuse(self) -> None:
        """Its credential does not hold any more."""

    @abstractmethod
    def leave(self) -> None:
        """The process is about to end."""

    @abstractmethod
    def beat(self, now: float) -> None:
        """Called every ``TICK_SECONDS`` at least: send a sign of life, or end what has given none."""


class Hub:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._clients: dict[Client, None] = {}
        self._of_member: Counter[str] = Counter()
        blocks = LogBlocks(services)
        self.watched = Watched(services.bus)
        self.events = EventFanout(services)
        self.logs = LogFanout(services, blocks)
        self.log_news = LogNews(services.bus, self.logs, self.watched)
        self.followings = Followings(services, self.events, self.logs, blocks, self.watched)

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def clients(self) -> tuple[Client, ...]:
        return tuple(self._clients)

    @property
    def subscriptions(self) -> int:
        return sum(len(client.subscriber) for client in self._clients)

    @contextmanager
    def admitted(self, client: Client) -> Iterator[None]:
        """While the block runs the client belongs here. Raises RequestError where there are too many."""
        self.check_room(client.principal)
        whose = person_of(client.principal)
        self._of_member[whose] += 1
        self._clients[client] = None
        try:
            yield
        finally:
            client.subscriber.close()
            del self._clients[client]
            self._of_member[whose] -= 1
            if not self._of_member[whose]:
                del self._of_member[whose]

    def check_room(self, principal: Principal) -> None:
        if self._of_member[person_of(principal)] >= self._services.settings.stream_connections:
            raise RequestError(
                "You have too many live connections: close some, or use one for many subscriptions.",
                code="too-many-connections",
                status=429,
            )

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, part in (
                ("events of the hub", self.events.run),
                ("logs of the hub", self.logs.run),
                ("watched logs", self.watched.run),
                ("clients of the hub", self._tend),
            ):
                group.create_task(keep_running(name, part))

    def look_at_everything(self) -> None:
        """Messages of the other replicas may have been missed, and ours by them."""
        self.logs.look_at_all()
        self.watched.tell_all()

    def leave(self) -> None:
        for client in tuple(self._clients):
            client.leave()

    async def _tend(self) -> None:
        settings = self._services.settings
        tick = min(TICK_SECONDS, settings.stream_ping_seconds / 2, settings.stream_silence_seconds / 4)
        checked_at = 0.0
        while not self._services.stopping.is_set():
            revoked = self._services.authenticator.revoked
            await self._services.wait_for(revoked, tick)
            now = time.monotonic()
            for client in tuple(self._clients):
                client.beat(now)
            if self._clients and (revoked.is_set() or now - checked_at > CHECK_SECONDS - tick):
                checked_at = now
                await self._check_credentials()
        self.leave()

    async def _check_credentials(self) -> None:
        """One question for all; where it can't be answered now, the next tick asks again."""
        ids = {client.principal.credential_id for client in self._clients}
        try:
            async with self._services.database.transaction() as connection:
                valid = set(await connection.scalars(named("credentials_valid"), {"ids": sorted(ids)}))
        except DATABASE_AWAY as error:
            logger.warning("credentials not checked", error=type(error).__name__)
            return
        for client in tuple(self._clients):
            # Who came after the question was asked has just been identified.
            if client.principal.credential_id in ids - valid:
                await client.refuse()


def person_of(principal: Principal) -> str:
    return principal.member_id or principal.credential_id
