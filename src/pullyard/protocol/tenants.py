"""The tenant and its members, and how much may run at once for each of them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from pullyard.protocol.resources import DailyBudget, Input, Resource

MaxRunning = Annotated[int, Field(ge=1, le=100_000, strict=True)]


class LimitPatch(Input):
    max_running: MaxRunning | None = Field(
        None, description="Live executions at once; null: no limit of its own. Left out: as it was."
    )


class TenantPatch(LimitPatch):
    daily_budget_micros: DailyBudget | None = Field(
        None, description="for all projects together, by the UTC day; null: no limit. Left out: as it was."
    )


class Tenant(Resource):
    id: str
    name: str
    max_running: int | None = Field(description="of all projects together; null: no limit of its own")
    running: int = Field(description="live executions now")
    daily_budget_micros: int | None = Field(
        description="of all projects together, by the UTC day; null: no limit"
    )
    spent_today_micros: int
    created_at: datetime


class Member(Resource):
    id: str
    name: str
    role: Literal["owner", "member"]
    max_running: int | None = Field(description="of all tasks that the member asked for; null: no limit")
    running: int = Field(description="live executions now of tasks that the member asked for")
    created_at: datetime
