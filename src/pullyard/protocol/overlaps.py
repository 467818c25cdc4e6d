"""Work that touches the same files, as people and programs read of it."""

from enum import StrEnum

from pydantic import Field

from pullyard.lifecycle.task import TaskState
from pullyard.protocol.fields import Resource


class OverlapRule(StrEnum):
    WARN = "warn"
    QUEUE = "queue"
    UPDATE = "update"


class Overlap(Resource):
    change_id: str | None = Field(description="an open change; null: a task that has none yet")
    task_id: str = Field(description="the task of that change, or the one that runs or goes first")
    files: list[str] = Field(description="the first 20, cut at 500 characters; of a task what it aims at")
    total: int


class MergedChange(Resource):
    change_id: str
    task_number: int
    title: str


class ChangeUpdate(Resource):
    """The base branch was brought into a change, or is being brought."""

    task_id: str
    task_number: int
    state: TaskState
    because_of: list[MergedChange] = Field(description="the changes that were merged first")


class ChangeConflict(Resource):
    change_id: str | None = Field(description="another open change; null: the base branch as it is now")
    branch: str
    files: list[str] = Field(description="the first 20 in which a trial merge had conflicts")
    total: int
