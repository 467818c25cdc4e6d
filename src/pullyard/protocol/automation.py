"""What people and programs read and write of a project's automation."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from pullyard.lifecycle.automation import AutomationState
from pullyard.lifecycle.task import TaskState
from pullyard.lifecycle.task_lists.model import DEFAULT_PATH, MAX_BYTES
from pullyard.protocol.resources import (
    AutomationPolicy,
    Input,
    ListPath,
    Resource,
    Task,
    TaskInput,
    TaskSource,
)

MAX_INJECTED = 200


class TaskListState(StrEnum):
    WAITING = "waiting"
    """No worker has read it yet."""
    READ = "read"
    MISSING = "missing"
    FAILED = "failed"
    WITHHELD = "withheld"
    """The project's text policy keeps it on its workers."""


class ListLine(Resource):
    line: int
    message: str


class FollowedList(Resource):
    path: str
    state: TaskListState
    message: str = Field("", description="why it is not read, and what to do")
    commit: str | None = Field(None, description="of the default branch when it was read")
    items: int
    done: int
    warnings: list[ListLine]
    read_at: datetime | None
    under_way: bool = Field(default=False, description="a worker is asked to read it, or does now")


class AutomationTask(Resource):
    id: str
    number: int
    title: str
    state: TaskState
    priority: int
    source: TaskSource
    execution_id: str | None


class Automation(Resource):
    project_id: str
    state: AutomationState
    reason: str | None = Field(
        None, description="what brought it into this state: `request`, `error` or `escalation`"
    )
    message: str = ""
    task_id: str | None = Field(None, description="the task whose failure halted it")
    changed_at: datetime
    policy: AutomationPolicy
    tasks: dict[TaskState, int] = Field(description="how many of the project's tasks are in which state")
    done: int = Field(description="tasks that are completed")
    total: int = Field(description="all tasks but the cancelled ones")
    current: list[AutomationTask]
    next: list[AutomationTask] = Field(description="the first queued ones, in the order of the claim")
    task_list: FollowedList | None = Field(None, description="null: the project follows none")


class AutomationStart(Input):
    """Without `task_list` the project goes on with the list that it follows, or begins with the usual one."""

    task_list: ListPath | None = Field(DEFAULT_PATH, description="its path in the repository; null: none")


class Place(StrEnum):
    FRONT = "front"
    END = "end"
    BEFORE = "before"
    AFTER = "after"


class Placed(Input):
    task_id: str | None = Field(
        None, max_length=100, description="of `before` and `after`: next to which task"
    )

    def check_anchor(self, place: Place) -> None:
        """Raises ValueError, which pydantic tells the caller."""
        if (place in (Place.BEFORE, Place.AFTER)) != (self.task_id is not None):
            raise ValueError("task_id goes with the places before and after, and only with them")


class TaskMove(Placed):
    place: Place

    @model_validator(mode="after")
    def _anchored(self) -> Self:
        self.check_anchor(self.place)
        return self


class Injection(Placed):
    """Tasks as they would be created, or a text in the form of a task list: one of the two."""

    tasks: list[TaskInput] = Field(default_factory=list[TaskInput], max_length=MAX_INJECTED)
    text: Annotated[str, StringConstraints(max_length=MAX_BYTES)] | None = None
    place: Place = Place.END

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        self.check_anchor(self.place)
        if bool(self.tasks) == (self.text is not None):
            raise ValueError("give either tasks or text")
        return self


class Injected(Resource):
    tasks: list[Task]
    warnings: list[ListLine] = Field(description="of the text: what was not understood or not said")
