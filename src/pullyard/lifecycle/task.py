"""The life of a task: what is wanted, from the wish to the delivered work."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class TaskState(StrEnum):
    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskEvent(StrEnum):
    ENQUEUE = "enqueue"
    HOLD = "hold"
    CLAIM = "claim"
    REQUEUE = "requeue"
    WAIT = "wait"
    ANSWER = "answer"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    RETRY = "retry"


class PendingReason(StrEnum):
    """Why a pending task can't be claimed yet, as the user reads it."""

    DEPENDENCY = "dependency"
    AUTOMATION = "automation"
    SCHEDULED = "scheduled"
    OVERLAP = "overlap"
    DRAFT = "draft"
    BACKOFF = "backoff"
    BUDGET = "budget"
    QUOTA = "quota"


@dataclass(frozen=True)
class Holds:
    """What may keep a task from the queue, apart from what became of its tries."""

    draft: bool
    open_dependencies: int
    starts_later: bool
    overlaps: bool = False
    """With work that goes first, where its project wants it to wait for that."""


def held_by(holds: Holds) -> PendingReason | None:
    """The first thing to wait for; None where the task may run now."""
    if holds.draft:
        return PendingReason.DRAFT
    if holds.open_dependencies:
        return PendingReason.DEPENDENCY
    if holds.starts_later:
        return PendingReason.SCHEDULED
    return PendingReason.OVERLAP if holds.overlaps else None


FINAL_TASK_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED})

TASK_TRANSITIONS: Mapping[tuple[TaskState, TaskEvent], TaskState] = {
    (TaskState.PENDING, TaskEvent.ENQUEUE): TaskState.QUEUED,
    # Held for another reason, such as its start after the last task that it waited for.
    (TaskState.PENDING, TaskEvent.HOLD): TaskState.PENDING,
    (TaskState.PENDING, TaskEvent.CANCEL): TaskState.CANCELLED,
    # A dependency that ends badly fails what waits for it.
    (TaskState.PENDING, TaskEvent.FAIL): TaskState.FAILED,
    (TaskState.QUEUED, TaskEvent.HOLD): TaskState.PENDING,
    (TaskState.QUEUED, TaskEvent.CLAIM): TaskState.RUNNING,
    (TaskState.QUEUED, TaskEvent.CANCEL): TaskState.CANCELLED,
    (TaskState.RUNNING, TaskEvent.REQUEUE): TaskState.QUEUED,
    (TaskState.RUNNING, TaskEvent.HOLD): TaskState.PENDING,
    (TaskState.RUNNING, TaskEvent.WAIT): TaskState.WAITING,
    (TaskState.RUNNING, TaskEvent.COMPLETE): TaskState.COMPLETED,
    (TaskState.RUNNING, TaskEvent.FAIL): TaskState.FAILED,
    (TaskState.RUNNING, TaskEvent.CANCEL): TaskState.CANCELLED,
    (TaskState.WAITING, TaskEvent.ANSWER): TaskState.RUNNING,
    (TaskState.WAITING, TaskEvent.REQUEUE): TaskState.QUEUED,
    # Its worker failed while it waited for a person, and is given a moment before the next try.
    (TaskState.WAITING, TaskEvent.HOLD): TaskState.PENDING,
    (TaskState.WAITING, TaskEvent.FAIL): TaskState.FAILED,
    (TaskState.WAITING, TaskEvent.CANCEL): TaskState.CANCELLED,
    (TaskState.FAILED, TaskEvent.RETRY): TaskState.QUEUED,
    (TaskState.CANCELLED, TaskEvent.RETRY): TaskState.QUEUED,
}
