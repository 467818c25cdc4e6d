"""Events that come in become tasks by rules, in one transaction with what is kept of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.idempotency.stored import digest
from pullyard.coordinator.intake.match import task_from, why_not
from pullyard.coordinator.intake.read import received_resource
from pullyard.coordinator.storable import storable
from pullyard.coordinator.tasks.create import create_task
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.errors import PullyardError, RequestError
from pullyard.protocol.intake import Condition, Event, EventTask, Outcome, ReceivedEvent, Reception
from pullyard.store.queries import named

RULES_AN_EVENT = 200
TASKS_A_REQUEST = 500
"""They are made in one transaction, which holds up everybody else in their projects."""


@dataclass
class Arrival:
    """One event on its way in. ``rules`` are those for its type and source, each with why not if not."""

    event: Event
    identity: bytes
    kept_id: str = ""
    fresh: bool = False
    """It was not received before."""
    rules: Sequence[tuple[Any, str | None]] = ()

    @cached_property
    def whole(self) -> dict[str, Any]:
        """Its attributes, and its data beside them, as the paths of rules see it; nobody changes it."""
        # Made once: every rule looks at it, and it may be a megabyte.
        data = self.event.data if self.event.data_base64 is None else self.event.data_base64
        return {**self.event.attributes(), "data": storable(data)}


async def receive(connection: AsyncConnection, tenant_id: str, events: Sequence[Event]) -> Reception:
    """Repeatable: what was received before changes nothing, and is answered as it was then.

    Raises RequestError where it would make too many tasks at once; nothing is received then.
    """
    arrivals = [Arrival(event, digest(event.source.encode(), event.id.encode())) for event in events]
    await keep_all(connection, tenant_id, arrivals)
    fresh = [arrival for arrival in arrivals if arrival.fresh]
    for arrival in fresh:
        rules = await rules_for(connection, tenant_id, arrival.event)
        arrival.rules = [(rule, why_not_for(rule, arrival.whole)) for rule in rules]
    check_number(fresh)
    projects = sorted({rule.project_id for arrival in fresh for rule, _ in arrival.rules})
    await connection.execute(named("projects_lock"), {"tenant_id": tenant_id, "ids": projects})
    for arrival in fresh:
        await apply_rules(connection, tenant_id, arrival)
    kept = [
        await read_kept(connection, tenant_id, arrival, duplicate=not arrival.fresh) for arrival in arrivals
    ]
    tasks = [one.task_id for event in kept for one in event.outcomes if one.task_id]
    return Reception(events=kept, task_ids=list(dict.fromkeys(tasks)))


async def keep_all(connection: AsyncConnection, tenant_id: str, arrivals: Sequence[Arrival]) -> None:
    """In the order of their identity, so that two batches with the same events never wait for each other."""
    for arrival in sorted(arrivals, key=lambda one: one.identity):
        arrival.fresh = await keep(connection, tenant_id, arrival)


async def keep(connection: AsyncConnection, tenant_id: str, arrival: Arrival) -> bool:
    """False where it was received before; waits for whoever receives it at the same time."""
    arrival.kept_id = new_id(Kind.RECEIVED)
    attributes = dict(arrival.whole)
    data = attributes.pop("data")
    kept = await connection.execute(
        named("received_keep"),
        {
            "id": arrival.kept_id,
            "tenant_id": tenant_id,
            "identity": arrival.identity,
            "source": arrival.event.source,
            "event_id": arrival.event.id,
            "type": arrival.event.type,
            "attributes": attributes,
            "data": data,
        },
    )
    return kept.rowcount == 1


async def rules_for(connection: AsyncConnection, tenant_id: str, event: Event) -> Sequence[Any]:
    wanted = {"tenant_id": tenant_id, "type": event.type, "source": event.source, "limit": RULES_AN_EVENT}
    return (await connection.execute(named("rules_for_event"), wanted)).all()


def why_not_for(rule: Any, event: Mapping[str, Any]) -> str | None:
    return why_not([Condition.model_validate(one) for one in rule.conditions], event)


def check_number(arrivals: Sequence[Arrival]) -> None:
    """Before any is made, so that too many cost no more than their count."""
    tasks = sum(why is None for arrival in arrivals for _, why in arrival.rules)
    if tasks > TASKS_A_REQUEST:
        raise RequestError(
            f"These events would make {tasks} tasks, and at most {TASKS_A_REQUEST} can be made at once: "
            "send fewer of them in a batch.",
            code="too-many",
        )


async def apply_rules(connection: AsyncConnection, tenant_id: str, arrival: Arrival) -> None:
    outcomes = [
        Outcome(rule_id=rule.id, rule=rule.name, project_id=rule.project_id, why=why)
        if why
        else await apply_rule(connection, tenant_id, rule, arrival)
        for rule, why in arrival.rules
    ]
    tasks = [one.task_id for one in outcomes if one.task_id]
    await connection.execute(
        named("received_settle"),
        {
            "id": arrival.kept_id,
            "outcomes": [one.model_dump() for one in outcomes],
            "matched": bool(tasks),
        },
    )
    payload = {"received_id": arrival.kept_id, "type": arrival.event.type, "task_ids": tasks}
    await tell(connection, "event.received", TaskNews(tenant_id), payload)


async def apply_rule(connection: AsyncConnection, tenant_id: str, rule: Any, arrival: Arrival) -> Outcome:
    """A rule whose task can't be made does not keep the others from theirs."""
    outcome = Outcome(rule_id=rule.id, rule=rule.name, project_id=rule.project_id, why="")
    try:
        async with connection.begin_nested():
            wish = task_from(EventTask.model_validate(rule.template), arrival.whole)
            outcome.task_id = await create_task(
                connection, tenant_id, rule.project_id, wish, member_id=rule.member_id
            )
    except PullyardError as error:
        outcome.why = error.message
    except ValidationError as error:
        first = error.errors()[0]
        outcome.why = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}."
    return outcome


async def read_kept(
    connection: AsyncConnection, tenant_id: str, arrival: Arrival, *, duplicate: bool
) -> ReceivedEvent:
    wanted = {"tenant_id": tenant_id, "identity": arrival.identity}
    row = (await connection.execute(named("received_row"), wanted)).mappings().one()
    return received_resource({**row, "duplicate": duplicate})
