"""Budgets: the most that may be spent, in money and in tokens."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.protocol.resources import Input, Resource

Amount = Annotated[int, Field(ge=1, le=10**15, strict=True)]
WarnPercent = Annotated[int, Field(ge=1, le=100, strict=True)]
NO_LIMIT = "null: no limit"


class BudgetInput(Input):
    """Replaces the budget of the same project, scope and period, where there is one."""

    scope: BudgetScope = Field(
        description="whose spending: the tenant's, the project's, each task's with all its tries, or each "
        "execution's"
    )
    project_id: str | None = Field(
        None,
        max_length=100,
        description="of `project`; of `task` and `execution`, null means in all projects",
    )
    period: BudgetPeriod = Field(
        BudgetPeriod.TOTAL, description="by UTC; `task` and `execution` know only `total`"
    )
    limit_micros: Amount | None = Field(None, description=NO_LIMIT)
    limit_tokens: Amount | None = Field(None, description="of input and output together; null: no limit")
    warn_percent: WarnPercent = Field(80, description="of the limit: from there on an event warns")


class Budget(Resource):
    id: str
    scope: BudgetScope
    project_id: str | None
    period: BudgetPeriod
    limit_micros: int | None
    limit_tokens: int | None
    warn_percent: int
    extra_micros: int = Field(description="what a person added for this period; not in the limit")
    extra_tokens: int
    spent_micros: int | None = Field(description="in this period; null for each task's or execution's")
    spent_tokens: int | None
    created_at: datetime
    updated_at: datetime
