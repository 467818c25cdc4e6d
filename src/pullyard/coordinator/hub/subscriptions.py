"""One subscription: reads the store from where its client is, sends, and waits for more.

Nothing is buffered beyond one read: a slow client is read for as slowly as it takes.
"""

import base64
from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from pullyard.coordinator.events.endpoints import news_or_stop, read_events
from pullyard.coordinator.logs.read import LogPart, read_log
from pullyard.coordinator.services import Services
from pullyard.protocol.stream import (
    Completion,
    ExecutionLog,
    ExecutionUpdate,
    Subscribed,
    SubscribeEvents,
    SubscribeLog,
)
from pullyard.store.feed import StoredEvent

EVENTS_AT_ONCE = 200
LOG_BYTES_AT_ONCE = 256 * 1024
# A replica's announcement may get lost; so late is it noticed then.
SLOW_POLL_SECONDS = 5.0

Send = Callable[[BaseModel], Awaitable[None]]
_TYPES = {
    "task": "task-update",
    "execution": "execution-update",
    "worker": "worker-update",
    "change": "change-update",
}


async def follow_events(services: Services, tenant_id: str, wish: SubscribeEvents, send: Send) -> None:
    """Ends only by being cancelled or with the coordinator."""
    cursor = wish.cursor if wish.cursor is not None else await services.feed.position()
    await send(Subscribed(subscription=wish.id, cursor=cursor))
    while not services.stopping.is_set():
        events, following = await read_events(services, tenant_id, cursor, EVENTS_AT_ONCE, wish.project_id)
        for event in events:
            await send(update_of(wish.id, event))
        if following == cursor:
            await news_or_stop(services, cursor)
        cursor = following


def update_of(subscription: str, event: StoredEvent) -> ExecutionUpdate:
    return ExecutionUpdate.model_validate(
        {
            "type": _TYPES.get(event.kind.partition(".")[0], "notification"),
            "subscription": subscription,
            "cursor": event.cursor,
            "kind": event.kind,
            "project_id": event.project_id,
            "task_id": event.task_id,
            "execution_id": event.execution_id,
            "payload": event.payload,
            "at": event.at.isoformat(),
        }
    )


async def follow_log(services: Services, tenant_id: str, wish: SubscribeLog, send: Send) -> None:
    """Ends with a completion when the execution is over and its log was sent to the end."""
    offset = wish.offset
    subscribed = False
    with services.log_watch.watching(wish.execution_id) as news:
        while not services.stopping.is_set():
            news.clear()
            part = await read_part(services, tenant_id, wish, offset)
            if not subscribed:
                await send(Subscribed(subscription=wish.id))
                subscribed = True
            if part.data:
                await send(log_message(wish, offset, part))
                offset += len(part.data)
            elif part.final and offset >= part.end:
                await send(Completion(subscription=wish.id, execution_id=wish.execution_id, offset=offset))
                return
            else:
                await services.wait_for(news, SLOW_POLL_SECONDS)


async def read_part(services: Services, tenant_id: str, wish: SubscribeLog, offset: int) -> LogPart:
    async with services.database.transaction() as connection:
        return await read_log(
            connection, tenant_id, wish.execution_id, wish.stream, offset=offset, limit=LOG_BYTES_AT_ONCE
        )


def log_message(wish: SubscribeLog, offset: int, part: LogPart) -> ExecutionLog:
    """Text where the piece is valid UTF-8 as it stands, else base64."""
    try:
        text, encoding = part.data.decode(), "utf-8"
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(part.data).decode(), "base64"
    return ExecutionLog.model_validate(
        {
            "subscription": wish.id,
            "execution_id": wish.execution_id,
            "stream": wish.stream,
            "offset": offset,
            "size_bytes": len(part.data),
            "encoding": encoding,
            "data": text,
        }
    )
