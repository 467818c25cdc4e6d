"""What events are about, as it is now: read once for all who are told of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import structlog

from pullyard.coordinator.executions.read import executions_by_id
from pullyard.coordinator.services import Services
from pullyard.coordinator.tasks.read import tasks_by_id
from pullyard.protocol.resources import Execution, Task
from pullyard.store.feed import StoredEvent

MOST = 50
"""Of the tasks of one look at the feed; whoever is told of more reads them as lists."""
LONGEST_BYTES = 8 * 1024
"""A task with a longer text is read by who shows it."""
LOOK_BYTES = 256 * 1024
"""Of all events of a look together: with more of it sockets fall behind, and their clients read it all."""
LOOK_SECONDS = 1.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Current:
    """By their ids, as JSON."""

    tasks: dict[str, msgspec.Raw] = field(default_factory=dict[str, msgspec.Raw])
    executions: dict[str, msgspec.Raw] = field(default_factory=dict[str, msgspec.Raw])

    def of(self, event: StoredEvent) -> dict[str, msgspec.Raw]:
        """The fields ``task`` and ``execution`` of the event's message, as far as they are here."""
        found = {
            "task": self.tasks.get(event.task_id or ""),
            "execution": self.executions.get(event.execution_id or ""),
        }
        return {name: one for name, one in found.items() if one is not None}


async def read_current(services: Services, events: Sequence[StoredEvent]) -> Current:
    """Two statements for each tenant, or none where there is too much to read.

    It is short, and what can't be read is left out: all wait for it, whether they asked for it or not.
    """
    tasks = {(event.tenant_id, event.task_id) for event in events if event.task_id is not None}
    executions = {(event.tenant_id, event.execution_id) for event in events if event.execution_id is not None}
    found = Current()
    if max(len(tasks), len(executions)) > MOST:
        return found
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            for tenant_id in sorted({tenant_id for tenant_id, _ in tasks}):
                ids = ([one for owner, one in both if owner == tenant_id] for both in (tasks, executions))
                await _add(services, found, tenant_id, *ids)
    except TimeoutError:
        logger.warning("resources not read", error=f"it took over {LOOK_SECONDS:.0f} s")
    told = sum(len(memoryview(text)) for event in events for text in found.of(event).values())
    return found if told <= LOOK_BYTES else Current()


async def _add(
    services: Services, found: Current, tenant_id: str, task_ids: list[str], execution_ids: list[str]
) -> None:
    try:
        async with services.database.transaction() as connection:
            found.tasks.update(short(await tasks_by_id(connection, tenant_id, task_ids)))
            found.executions.update(short(await executions_by_id(connection, tenant_id, execution_ids)))
    except Exception as error:  # noqa: BLE001
        # A bug, too: the same event would be looked at for ever.
        logger.warning("resources not read", error=type(error).__name__)


def short(resources: Sequence[Task | Execution]) -> dict[str, msgspec.Raw]:
    written = {one.id: one.model_dump_json().encode() for one in resources}
    return {name: msgspec.Raw(text) for name, text in written.items() if len(text) <= LONGEST_BYTES}
