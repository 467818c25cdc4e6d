"""What executions have used: money, tokens and time."""

from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import Field

from pullyard.protocol.resources import Input, Resource


class CostsBy(StrEnum):
    DAY = "day"
    MONTH = "month"
    PROJECT = "project"
    AGENT = "agent"
    PROVIDER = "provider"
    MODEL = "model"


class CostsQuery(Input):
    by: CostsBy = CostsBy.DAY
    since: date | None = Field(None, description="the first day, by UTC; default: of this month")
    until: date | None = Field(
        None, description="the day after the last, by UTC; default: the end of the month of `since`"
    )
    project_id: str | None = Field(None, max_length=100)
    format: Literal["json", "csv"] | None = Field(None, description="default: as `Accept` wants it")


class Costs(Resource):
    cost_micros: int
    input_tokens: int
    output_tokens: int
    executions: int = Field(description="each try of a task is one")
    seconds: float | None = Field(
        description="of all their phases; null by provider and model, whose time nobody measures"
    )


class CostsRow(Costs):
    key: str | None = Field(
        description="the day, the month, the project's id, the agent, the provider, or the model behind its "
        "provider and a slash; null: it was not told"
    )
    name: str | None = Field(None, description="of a project")


class CostsReport(Resource):
    """Of executions that began from ``since`` on and before ``until``, with all they have used by now."""

    since: date
    until: date
    by: CostsBy
    project_id: str | None
    rows: list[CostsRow] = Field(description="by time the oldest first, else the dearest first")
    truncated: bool = Field(description="there are more rows than a report has")
    total: Costs = Field(description="of all, those that no row tells of too")
