"""All that one client follows over one connection, and the reading for what is not live yet."""

import asyncio
from collections.abc import Callable

import structlog

from pullyard.coordinator.hub.event_fanout import EVENTS_AT_ONCE, RETRY_SECONDS
from pullyard.coordinator.hub.followings import Followings
from pullyard.coordinator.hub.frames import Shared, completion_message, event_message, label_of
from pullyard.coordinator.hub.greet import Greeting, greet
from pullyard.coordinator.hub.outlets import ROOM_BYTES, Outlet
from pullyard.coordinator.hub.subscriptions import (
    EventKey,
    EventSubscription,
    LogSubscription,
    Subscription,
    keys_of,
    scope_of,
)
from pullyard.protocol.errors import PullyardError, RequestError
from pullyard.protocol.stream import SubscribeEvents, SubscribeLog
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.feed import StoredEvent

logger = structlog.get_logger(__name__)

MAX_SUBSCRIPTIONS = 10_000
GREETED_AT_ONCE = 200
Wish = SubscribeEvents | SubscribeLog


class Subscriber:
    """A subscription is new, behind or live. One task reads for those that are new or behind, and ends when
    all are live; the fan-outs write to those that are. Positions are kept here and nothing else, so a client
    that is slow costs what its outlet holds and no more."""

    def __init__(
        self, followings: Followings, tenant_id: str, outlet: Outlet, failed: Callable[[], None]
    ) -> None:
        """``failed`` is called when a bug has ended the reading: the client has to connect again."""
        self.outlet = outlet
        self.tenant_id = tenant_id
        self._followings = followings
        self._failed = failed
        self._subscriptions: dict[str, Subscription | None] = {}
        self._names: dict[Subscription, str] = {}
        self._new: dict[str, Wish] = {}
        self.greeted = asyncio.Event()
        """Set while no subscription is new."""
        self.greeted.set()
        self._events_behind: dict[EventSubscription, None] = {}
        self._logs_behind: dict[LogSubscription, None] = {}
        self._reading: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._subscriptions)

    @property
    def cursor(self) -> int | None:
        """Everything up to here was sent; None where that can't be said."""
        busy = self._new or self._events_behind or not self._subscriptions
        return None if busy else self._followings.events.cursor

    def subscribe(self, wish: Wish) -> None:
        """Raises RequestError for an id in use and for too many. What the wish names is looked for later."""
        if wish.id in self._subscriptions:
            raise RequestError("This id is in use already.", code="subscription-exists")
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise RequestError("Unsubscribe from one first.", code="too-many-subscriptions")
        self._subscriptions[wish.id] = None
        self._new[wish.id] = wish
        self.greeted.clear()
        self._read()

    def unsubscribe(self, name: str) -> None:
        self._new.pop(name, None)
        if not self._new:
            self.greeted.set()
        subscription = self._subscriptions.pop(name, None)
        if subscription is not None:
            self._drop(subscription)

    def close(self) -> None:
        """Ends everything; may be called twice."""
        if self._reading is not None:
            self._reading.cancel()
        self._new.clear()
        for name in list(self._subscriptions):
            self.unsubscribe(name)

    def fall_behind(self, subscription: Subscription) -> None:
        """The fan-out has given it up: read for it from where it is."""
        if isinstance(subscription, EventSubscription):
            self._events_behind[subscription] = None
        else:
            self._logs_behind[subscription] = None
        self._read()

    def complete(self, subscription: LogSubscription) -> None:
        """Its log has ended, and so does it."""
        self.outlet.write(completion_message(subscription.key[0], subscription.offset), subscription.label)
        self._forget(subscription)

    def fail(self, subscription: Subscription, error: PullyardError) -> None:
        self.outlet.write(error_message(error), subscription.label)
        self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        name = self._names.get(subscription)
        if name is not None:
            self.unsubscribe(name)

    def _drop(self, subscription: Subscription) -> None:
        del self._names[subscription]
        if isinstance(subscription, EventSubscription):
            self._events_behind.pop(subscription, None)
            self._followings.events.leave(subscription)
        else:
            self._logs_behind.pop(subscription, None)
            self._followings.logs.leave(subscription)
            self._followings.watched.end(subscription.key[0])

    def _read(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_until_live(), name="subscriber")
            self._reading.add_done_callback(self._read_ended)

    def _read_ended(self, task: asyncio.Task[None]) -> None:
        # Whatever its end was, nobody waits for a greeting that does not come.
        self.greeted.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a bug in a subscriber", exc_info=error)
            self._failed()

    async def _read_until_live(self) -> None:
        while self._new or self._events_behind or self._logs_behind:
            await self.outlet.room()
            if self.outlet.closed:
                return
            try:
                await self._greet_some()
                await self._catch_up_with_events()
                for subscription in tuple(self._logs_behind):
                    await self._catch_up_with_log(subscription)
            except DATABASE_AWAY as error:
                # Every position is still where it was.
                logger.warning("subscriptions not read", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    async def _greet_some(self) -> None:
        wishes = [self._new[name] for name in list(self._new)[:GREETED_AT_ONCE]]
        if not wishes:
            return
        greetings = await greet(self._followings.services, self.tenant_id, wishes)
        for wish, greeting in zip(wishes, greetings, strict=True):
            # It may have been taken back, or even replaced, in the meantime.
            if self._new.get(wish.id) is wish:
                del self._new[wish.id]
                self._begin(wish, greeting)
        if not self._new:
            self.greeted.set()

    def _begin(self, wish: Wish, greeting: Greeting) -> None:
        label = label_of(wish.id)
        if greeting.error is not None:
            del self._subscriptions[wish.id]
            self.outlet.write(error_message(greeting.error), label)
            return
        for message in greeting.messages:
            self.outlet.write(message, label)
        subscription: Subscription
        if isinstance(wish, SubscribeEvents):
            keys: tuple[EventKey, ...] = tuple((self.tenant_id, one) for one in greeting.ids or ("",))
            subscription = EventSubscription(self, label, keys, greeting.position, wish.resources)
            self._name(subscription, wish.id)
            self._events_behind[subscription] = None
        else:
            subscription = LogSubscription(self, label, (wish.execution_id, wish.stream), wish.offset)
            self._name(subscription, wish.id)
            self._followings.watched.begin(wish.execution_id)
            if not (greeting.live and self._followings.logs.join(subscription)):
                self._logs_behind[subscription] = None

    def _name(self, subscription: Subscription, name: str) -> None:
        self._subscriptions[name] = subscription
        self._names[subscription] = name

    async def _catch_up_with_events(self) -> None:
        """One read for all that are behind, from where the last of them is."""
        behind = list(self._events_behind)
        if not behind:
            return
        start = min(one.cursor for one in behind)
        events, following = await self._followings.services.feed.read(
            start, EVENTS_AT_ONCE, tenant_id=self.tenant_id, scope=scope_of(behind)
        )
        waiting: dict[EventKey, list[EventSubscription]] = {}
        for one in behind:
            for key in one.keys:
                waiting.setdefault(key, []).append(one)
        for event in events:
            await self._tell(event, [one for key in keys_of(event) for one in waiting.get(key, ())])
        # What was begun in the meantime was not read for.
        for one in [one for one in behind if one in self._events_behind]:
            one.cursor = max(one.cursor, following)
            if self._followings.events.join(one):
                del self._events_behind[one]

    async def _tell(self, event: StoredEvent, subscriptions: list[EventSubscription]) -> None:
        message = event_message(event)
        for one in subscriptions:
            if self.outlet.buffered_bytes > ROOM_BYTES:
                await self.outlet.room()
            if one.cursor < event.cursor and one in self._events_behind:
                self.outlet.write(message, one.label)
                one.cursor = event.cursor

    async def _catch_up_with_log(self, subscription: LogSubscription) -> None:
        await self.outlet.room()
        try:
            block = await self._followings.blocks.read(self.tenant_id, subscription.key, subscription.offset)
        except PullyardError as error:
            self.fail(subscription, error)
            return
        if subscription not in self._logs_behind:
            return
        if block.end > subscription.offset:
            self.outlet.write(block.message(subscription.offset), subscription.label)
            subscription.offset = block.end
        elif block.final:
            self.complete(subscription)
        elif self._followings.logs.join(subscription):
            del self._logs_behind[subscription]


def error_message(error: PullyardError) -> Shared:
    return Shared("error", None, {"code": error.code, "message": error.message})
