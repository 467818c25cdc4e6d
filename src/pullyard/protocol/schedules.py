"""Tasks that are made again and again, by a cron text."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from pullyard.protocol.fields import Input, Line, Name, Resource
from pullyard.protocol.resources import TaskTemplate

Cron = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Overlap = Literal["skip", "queue"]


class ScheduleInput(Input):
    name: Name
    cron: Cron = Field(
        description="minute, hour, day of month, month, day of week; such as `0 6 * * MON-FRI`"
    )
    time_zone: Line = Field(default="UTC", description="as the IANA names it, such as `Europe/Berlin`")
    task: TaskTemplate
    enabled: bool = True
    overlap: Overlap = Field(
        default="skip", description="what happens at a tick while its last task has not ended"
    )


class SchedulePatch(Input):
    name: Name | None = None
    cron: Cron | None = None
    time_zone: Line | None = None
    task: TaskTemplate | None = Field(default=None, description="replaces it all")
    enabled: bool | None = None
    overlap: Overlap | None = None


class Schedule(Resource):
    id: str
    project_id: str
    name: str
    cron: str
    time_zone: str
    task: TaskTemplate
    enabled: bool
    overlap: Overlap
    next_at: datetime | None = Field(description="null while it is not enabled")
    last_tick: datetime | None
    last_task_id: str | None
    last_outcome: str = Field(description="what became of the last tick; empty before the first")
    version: int
    created_at: datetime
    updated_at: datetime
