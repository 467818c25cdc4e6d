"""Several agents on one task: what is compared, and what was chosen."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from pullyard.lifecycle.change import ChangeState
from pullyard.lifecycle.comparison import (
    LEAST_CANDIDATES,
    MOST_CANDIDATES,
    ChoiceRule,
    ComparisonState,
    Decider,
)
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.task import PendingReason, TaskState
from pullyard.protocol.fields import AgentSettings, Input, Moment, Resource, Signature, TaskId
from pullyard.protocol.resources import ChangeErrand, TaskTemplate


class CandidateInput(Input):
    agent: AgentSettings
    signature: Signature | None = Field(
        None, description="of the work with this agent, for workers that demand one"
    )


Candidates = Annotated[list[CandidateInput], Field(min_length=LEAST_CANDIDATES, max_length=MOST_CANDIDATES)]


class ComparisonInput(TaskTemplate):
    """A task's fields, which hold for every candidate; `agent` is left out, as each names its own."""

    depends_on: list[TaskId] = Field(default_factory=list, max_length=100)
    start_at: Moment | None = Field(None, description="not before; the database's clock decides")
    candidates: Candidates = Field(description="each becomes a task; the same agent may be named again")
    choose: ChoiceRule = Field(
        ChoiceRule.MANUAL,
        description="`first-passing`: the first that passes its verification, at once; `cheapest-passing`: "
        "of those that pass, the one that cost least, once all have ended",
    )


class ChoiceInput(Input):
    task_id: TaskId = Field(description="the candidate's task, which has an open change")


class CandidateTests(Resource):
    """Summed over the commands of its receipt whose output tells of tests."""

    passed: int
    failed: int
    skipped: int


class Candidate(Resource):
    """All of its tries together, where nothing else is said."""

    task_id: str
    number: int
    agent: AgentSettings
    state: TaskState
    pending_reason: PendingReason | None
    reason: Reason | None = Field(description="why it failed")
    message: str
    tries: int
    seconds: float = Field(description="of its executions, from the grant to the end or until now")
    input_tokens: int
    output_tokens: int
    cost_micros: int
    execution_id: str | None = Field(description="the newest execution")
    verified: bool | None = Field(
        description="whether every command of its verification passed; null: there is no receipt"
    )
    tests: CandidateTests | None = Field(description="null where no output told of tests")
    change_id: str | None
    change_state: ChangeState | None
    branch: str | None
    url: str | None
    files: int = Field(description="that its changes touch")
    additions: int
    deletions: int
    delivered: bool = Field(description="it has a change that is open or merged, and may be chosen")
    chosen: bool
    errand: ChangeErrand | None = Field(description="the newest merge or close of its change")
    finished_at: datetime | None


class Comparison(Resource):
    id: str
    project_id: str
    title: str
    state: ComparisonState
    choose: ChoiceRule
    candidates: list[Candidate]
    budget_micros: int | None = Field(description="of each candidate's own, with all its tries; null: none")
    budget_tokens: int | None
    chosen_task_id: str | None
    decided_at: datetime | None = Field(description="when one was chosen, or all were cancelled")
    decided_how: Decider | None
    decided_by: str | None = Field(description="the member's id, where a person decided")
    decided_by_name: str | None
    created_at: datetime
