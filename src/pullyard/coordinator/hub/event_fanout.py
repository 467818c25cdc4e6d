"""One reader of the event feed for all who listen live at this replica."""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from pullyard.coordinator.hub.current import Current, read_current
from pullyard.coordinator.hub.frames import NO_RESOURCES, Shared, event_message
from pullyard.coordinator.hub.outlets import BEHIND_BYTES
from pullyard.coordinator.hub.subscriptions import EventKey, EventSubscription, keys_of
from pullyard.coordinator.services import Services
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.feed import StoredEvent

EVENTS_AT_ONCE = 500
DELIVERIES_AT_ONCE = 2_000
"""After so many the other work of the process has its turn."""
RETRY_SECONDS = 1.0

logger = structlog.get_logger(__name__)


class EventFanout:
    """A subscription is live when it has everything up to ``cursor``; then it is told what follows.

    One that is too far behind to be told is given back to its subscriber, which reads for it until it may
    join again. So nothing is kept for it here, and nothing is passed over.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._feed = services.feed
        self._live: dict[EventKey, dict[EventSubscription, None]] = {}
        self._wanted = asyncio.Event()
        self.on_delivery: Callable[[float], None] = unheard
        """Is told of each event that somebody was sent: the seconds since it was written."""
        self.cursor: int | None = None
        """Where the reader is; None while nobody listens, and then nothing is read."""

    def join(self, subscription: EventSubscription) -> bool:
        """False where it has to be read for first. Its cursor must have been looked for in the feed."""
        if self.cursor is None:
            # A cursor beyond the end must not take the reader there with it.
            self.cursor = min(subscription.cursor, self._feed.settled or 0)
            self._wanted.set()
        elif subscription.cursor < self.cursor:
            return False
        for key in subscription.keys:
            self._live.setdefault(key, {})[subscription] = None
        return True

    def leave(self, subscription: EventSubscription) -> None:
        """One that is not live is left as it is."""
        for key in subscription.keys:
            live = self._live.get(key)
            if live is not None:
                live.pop(subscription, None)
                if not live:
                    del self._live[key]

    async def run(self) -> None:
        """Until cancelled. What goes wrong is tried again from the same place."""
        while True:
            await self._wanted.wait()
            try:
                await self._follow()
            except DATABASE_AWAY as error:
                logger.warning("events not read", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        deliveries = 0
        while self._live and self.cursor is not None:
            events, following = await self._feed.read(self.cursor, EVENTS_AT_ONCE)
            current = await self._current(events)
            for event in events:
                deliveries += self._deliver(event, current)
                self.cursor = event.cursor
                if deliveries > DELIVERIES_AT_ONCE:
                    deliveries = 0
                    await asyncio.sleep(0)
            if following > self.cursor:
                self.cursor = following
            elif not events:
                await self._feed.wait_beyond(self.cursor)
        self.cursor = None
        self._wanted.clear()

    async def _current(self, events: Sequence[StoredEvent]) -> Current:
        """What the events are about, where somebody wants it with them."""
        keys = {key for event in events for key in keys_of(event)}
        wanting = {key for key in keys if any(one.resources for one in self._live.get(key, ()))}
        concerned = [event for event in events if not wanting.isdisjoint(keys_of(event))]
        return await read_current(self._services, concerned) if concerned else Current()

    def _deliver(self, event: StoredEvent, current: Current) -> int:
        messages: dict[bool, Shared] = {}
        deliveries = 0
        for key in keys_of(event):
            live = self._live.get(key)
            if not live:
                continue
            for subscription in tuple(live):
                if subscription.cursor >= event.cursor:
                    continue
                wish = subscription.resources
                if wish not in messages:
                    messages[wish] = event_message(event, current.of(event) if wish else NO_RESOURCES)
                outlet = subscription.subscriber.outlet
                if outlet.buffered_bytes > BEHIND_BYTES:
                    subscription.cursor = event.cursor - 1
                    self.leave(subscription)
                    subscription.subscriber.fall_behind(subscription)
                else:
                    outlet.write(messages[wish], subscription.label)
                    subscription.cursor = event.cursor
                    deliveries += 1
        if deliveries:
            self.on_delivery(max(0.0, time.time() - event.at.timestamp()))
        return deliveries


def unheard(_seconds: float) -> None:
    """Nobody listens."""
