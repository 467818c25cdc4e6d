"""New subscriptions are looked at together: may they be, and where do they begin?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pullyard.coordinator.executions.read import read_execution
from pullyard.coordinator.hub.frames import Shared
from pullyard.coordinator.hub.log_fanout import log_heads
from pullyard.coordinator.hub.subscriptions import ids_of
from pullyard.coordinator.projects.read import read_project
from pullyard.coordinator.services import Services
from pullyard.coordinator.tasks.read import read_task
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.stream import SubscribeEvents, SubscribeLog
from pullyard.store.queries import named


@dataclass
class Greeting:
    """With an ``error`` nothing else counts."""

    position: int = 0
    ids: list[str] = field(default_factory=list[str])
    messages: list[Shared] = field(default_factory=list[Shared])
    live: bool = False
    """Of a log: everything was sent already, and more may come."""
    over: bool = False
    """Of a log: everything was sent already, and no more comes."""
    error: RequestError | None = None


@dataclass(frozen=True)
class Ground:
    """What the wishes that are looked at together have in common."""

    known: frozenset[str]
    """Of the projects, tasks and executions that are wished for, those that are there."""
    position: int
    newest: int
    """The end of the feed, beyond which no cursor can be."""
    heads: Mapping[tuple[str, str, str], tuple[int, bool]]
    """Of the logs that are there: their size, and whether it is final."""


async def greet(
    services: Services, tenant_id: str, wishes: Sequence[SubscribeEvents | SubscribeLog]
) -> list[Greeting]:
    """In the order of the wishes; two or three queries for all of them, and one more for each snapshot."""
    events = [wish for wish in wishes if isinstance(wish, SubscribeEvents)]
    logs = [wish for wish in wishes if isinstance(wish, SubscribeLog)]
    ground = await survey(services, tenant_id, events, logs)
    greetings: list[Greeting] = []
    for wish in wishes:
        if isinstance(wish, SubscribeLog):
            greetings.append(greet_log(wish, ground.heads.get((tenant_id, wish.execution_id, wish.stream))))
            continue
        greeting = greet_events(wish, ground)
        if wish.snapshot and greeting.error is None:
            await add_snapshot(services, tenant_id, wish, greeting)
        greetings.append(greeting)
    return greetings


async def survey(
    services: Services, tenant_id: str, events: Sequence[SubscribeEvents], logs: Sequence[SubscribeLog]
) -> Ground:
    known = await known_ids(services, tenant_id, sorted({one for wish in events for one in ids_of(wish)}))
    position = await services.feed.position() if events else 0
    ahead = any(wish.cursor is not None and wish.cursor > position for wish in events)
    newest = await services.feed.newest() if ahead else position
    keys = {(tenant_id, wish.execution_id, wish.stream) for wish in logs}
    heads = await log_heads(services, list(keys)) if keys else {}
    return Ground(known, position, newest, heads)


async def known_ids(services: Services, tenant_id: str, ids: list[str]) -> frozenset[str]:
    if not ids:
        return frozenset()
    async with services.database.transaction() as connection:
        found = await connection.scalars(named("stream_known"), {"tenant_id": tenant_id, "ids": ids})
        return frozenset(found)


def greet_events(wish: SubscribeEvents, ground: Ground) -> Greeting:
    ids = ids_of(wish)
    if not ground.known.issuperset(ids):
        what = "task" if wish.task_id else "execution" if wish.execution_id else "project"
        return Greeting(error=NotFound(what))
    if wish.cursor is not None and wish.cursor > ground.newest:
        # Another replica may have told of events that this one does not pass yet, but they are there.
        return Greeting(
            error=RequestError(
                "This cursor is beyond the feed's end: read everything anew, and subscribe without one.",
                code="cursor-ahead",
            )
        )
    cursor = ground.position if wish.cursor is None else wish.cursor
    return Greeting(position=cursor, ids=ids, messages=[Shared("subscribed", cursor, {"cursor": cursor})])


def greet_log(wish: SubscribeLog, head: tuple[int, bool] | None) -> Greeting:
    if head is None:
        return Greeting(error=NotFound("execution"))
    size_bytes, final = head
    if wish.offset > size_bytes:
        message = f"The log ends at {size_bytes}: subscribe from there at most."
        return Greeting(error=RequestError(message, code="offset-ahead"))
    sent = wish.offset == size_bytes
    message = Shared("subscribed", wish.offset, {"cursor": None})
    return Greeting(messages=[message], live=sent and not final, over=sent and final)


async def add_snapshot(services: Services, tenant_id: str, wish: SubscribeEvents, greeting: Greeting) -> None:
    """Read after the position was taken, so that every later change is told as an event as well."""
    fields: dict[str, object] = {"projects": [], "task": None, "execution": None}
    try:
        async with services.database.transaction() as connection:
            if wish.task_id is not None:
                task = await read_task(connection, tenant_id, wish.task_id)
                fields["task"] = task.model_dump(mode="json")
            elif wish.execution_id is not None:
                execution = await read_execution(connection, tenant_id, wish.execution_id)
                fields["execution"] = execution.model_dump(mode="json")
            else:
                projects = [await read_project(connection, tenant_id, one) for one in greeting.ids]
                fields["projects"] = [one.model_dump(mode="json") for one in projects]
    except NotFound as error:
        greeting.error = error
    else:
        greeting.messages.append(
            Shared("snapshot", greeting.position, {"cursor": greeting.position, **fields})
        )
