"""What a client follows, and how far it has been sent."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pullyard.protocol.stream import SubscribeEvents
from pullyard.store.feed import Scope, StoredEvent

if TYPE_CHECKING:
    from pullyard.coordinator.hub.subscriber import Subscriber

EventKey = tuple[str, str]
"""The tenant, and a project, task or execution, whose ids never meet; empty for all that is the tenant's."""
LogKey = tuple[str, str]
"""Execution and stream."""
MAX_SCOPE = 200


@dataclass(eq=False, slots=True)
class EventSubscription:
    """All that it asks for was sent up to ``cursor``; while it is live, up to the fan-out's as well."""

    subscriber: "Subscriber"
    label: bytes
    keys: tuple[EventKey, ...]
    cursor: int
    resources: bool = False
    """Wants what an event is about with it, where that is at hand."""


@dataclass(eq=False, slots=True)
class LogSubscription:
    """Sent are all bytes up to ``offset``."""

    subscriber: "Subscriber"
    label: bytes
    key: LogKey
    offset: int


Subscription = EventSubscription | LogSubscription


def ids_of(wish: SubscribeEvents) -> list[str]:
    """What the wish names; nothing where it wants everything."""
    named = (wish.project_id, wish.task_id, wish.execution_id, *(wish.project_ids or ()))
    return list(dict.fromkeys(one for one in named if one is not None))


def keys_of(event: StoredEvent) -> list[EventKey]:
    """Under which keys those wait who want this event."""
    ids = ("", event.project_id, event.task_id, event.execution_id)
    return [(event.tenant_id, one) for one in ids if one is not None]


def scope_of(subscriptions: list[EventSubscription]) -> Scope | None:
    """What has to be read for them together; None for everything, also where they name too much."""
    ids = {name for one in subscriptions for _, name in one.keys}
    if "" in ids or len(ids) > MAX_SCOPE:
        return None
    # The kinds' ids never meet, so one list does for all three.
    named = tuple(sorted(ids))
    return Scope(project_ids=named, task_ids=named, execution_ids=named)
