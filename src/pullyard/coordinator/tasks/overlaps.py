"""Which work under way would touch the same files as a task, and what of that a task has to wait for.

Told by what tasks say they aim at and by the names of what open changes have touched: a help and no lock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.overlaps import Effort, Names, Shared, TargetFiles
from pullyard.lifecycle.task import PendingReason, TaskState
from pullyard.store.queries import named

MOST_CHANGES = 20
MOST_FILES = 500
"""Of each change."""
MOST_TASKS = 100
MOST_SHOWN = 20
RUNNING = frozenset({TaskState.RUNNING, TaskState.WAITING})


@dataclass(frozen=True)
class Overlap:
    """``change_id`` None is of a task that has no change yet."""

    change_id: str | None
    task_id: str
    found: Shared

    @property
    def blocker(self) -> str:
        return self.change_id or self.task_id

    def shown(self) -> dict[str, Any]:
        return {
            "change_id": self.change_id,
            "task_id": self.task_id,
            "files": storable(list(self.found.files)),
            "total": self.found.total,
        }


@dataclass
class Aim:
    """A task of the surroundings, with what it aims at."""

    row: Any

    @cached_property
    def targets(self) -> TargetFiles:
        return TargetFiles(self.row.target_files)

    @property
    def waits(self) -> bool:
        """Whether the task would be in the queue if nothing overlapped."""
        row = self.row
        held = row.state == TaskState.PENDING and row.pending_reason == PendingReason.OVERLAP
        return held or row.state == TaskState.QUEUED

    @property
    def place(self) -> tuple[int, int, str]:
        """In the order of the queue."""
        return (-self.row.priority, self.row.position, self.row.id)

    def is_compared_with(self, other: Any) -> bool:
        """Whether only one of the two will be merged."""
        return self.row.comparison_id is not None and self.row.comparison_id == other.comparison_id

    def is_blocked(self, overlaps: Sequence[Overlap]) -> bool:
        return bool(self.row.queues and overlaps)


@dataclass
class Surroundings:
    """Of one repository, as the transaction sees them; ``aims`` are in the order of the queue."""

    changes: Sequence[tuple[Any, Names]]
    aims: Sequence[Aim]
    effort: Effort = field(default_factory=Effort)

    def overlaps(self, aim: Aim, ahead: Sequence[Aim]) -> list[Overlap]:
        """With open changes, with tasks that run and, where it waits for them, with those ``ahead`` of it."""
        running = [one for one in self.aims if one.row.state in RUNNING]
        others = [*running, *ahead] if aim.row.queues else running
        return list(islice(chain(self._with_changes(aim), self._with_tasks(aim, others)), MOST_SHOWN))

    def _with_changes(self, aim: Aim) -> Iterator[Overlap]:
        row = aim.row
        for change, names in self.changes:
            if self.effort.spent:
                return
            if change.task_id == row.id or change.id == row.responds_to or aim.is_compared_with(change):
                continue
            same = row.wished_base in (change.base_branch, change.wished_base)
            if same and (found := aim.targets.among(names, self.effort)).total:
                yield Overlap(change.id, change.task_id, found)

    def _with_tasks(self, aim: Aim, others: Sequence[Aim]) -> Iterator[Overlap]:
        for other in others:
            if self.effort.spent:
                return
            if other.row.id == aim.row.id or other.row.wished_base != aim.row.wished_base:
                continue
            if aim.is_compared_with(other.row):
                continue
            if (found := aim.targets.meeting(other.targets, self.effort)).total:
                yield Overlap(None, other.row.id, found)


async def look_around(
    connection: AsyncConnection, tenant_id: str, project_id: str, task_id: str = ""
) -> Surroundings:
    """``task_id`` is one that must be among them, however many there are."""
    where = {"tenant_id": tenant_id, "project_id": project_id}
    tasks = await connection.execute(
        named("overlap_tasks"), {**where, "task_id": task_id, "most": MOST_TASKS}
    )
    aims = sorted((Aim(row) for row in tasks.all()), key=lambda one: one.place)
    if not aims:
        return Surroundings([], [])
    bounds = {"most": MOST_CHANGES, "most_files": MOST_FILES}
    changes = await connection.execute(named("overlap_changes"), {**where, **bounds})
    return Surroundings([(row, Names(row.files)) for row in changes.all()], aims)


async def check_overlaps(connection: AsyncConnection, tenant_id: str, project_id: str, task_id: str) -> bool:
    """Whether the task has to wait. It is held by its project's lock, or not committed yet."""
    around = await look_around(connection, tenant_id, project_id, task_id)
    aim = next((one for one in around.aims if one.row.id == task_id), None)
    if aim is None:
        # It aims at nothing any more.
        await connection.execute(named("overlap_note"), {"id": task_id, "overlaps": [], "waits_for": None})
        return False
    queued = [one for one in around.aims if one.row.state == TaskState.QUEUED and one.place < aim.place]
    overlaps = around.overlaps(aim, queued)
    await note_overlaps(connection, aim, overlaps)
    return aim.is_blocked(overlaps)


async def note_overlaps(connection: AsyncConnection, aim: Aim, overlaps: Sequence[Overlap]) -> None:
    """Where they are others than before, whoever watches is told."""
    row = aim.row
    waits_for = overlaps[0].blocker if aim.is_blocked(overlaps) else None
    shown = [one.shown() for one in overlaps]
    parameters = {"id": row.id, "overlaps": shown, "waits_for": waits_for}
    if await connection.scalar(named("overlap_note"), parameters) is None:
        return
    told = [{name: one[name] for name in ("change_id", "task_id", "total")} for one in shown]
    payload = {"state": row.state, "overlaps": told, "waits_for": waits_for}
    await tell(connection, "task.overlaps", TaskNews(row.tenant_id, row.project_id, row.id), payload)
