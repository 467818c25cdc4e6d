"""The board as one answer."""

from pydantic import Field

from pullyard.lifecycle.task import TaskState
from pullyard.protocol.fields import Resource
from pullyard.protocol.resources import Change, Execution, Page, Task


class Board(Resource):
    """What a board shows at first, all as of one moment."""

    columns: dict[TaskState, Page[Task]] = Field(
        description="By state, each the first page of `GET /api/v1/tasks` with that `state`."
    )
    executions: list[Execution] = Field(description="The newest, newest first.")
    changes: list[Change] = Field(description="The newest open ones, newest first.")
    changed: list[Task] = Field(description="Tasks of these changes that are on no column's first page.")
