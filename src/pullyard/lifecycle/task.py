"""The life of a task: what is wanted, from the wish to the delivered work."""

from collections.abc import Mapping
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
    CONFLICT = "conflict"
    DRAFT = "draft"
    BACKOFF = "backoff"


FINAL_TASK_STATES = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED})

TASK_TRANSITIONS: Mapping[tuple[TaskState, TaskEvent], TaskState] = {
    (TaskState.PENDING, TaskEvent.ENQUEUE): TaskState.QUEUED,
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
