"""Workflows, the nodes that a project adds to them, and the questions that they ask, through ``/api/v1``."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflow_rules import MAX_ADDED_NODES
from pullyard.lifecycle.workflows import NodeKind, NodeOutcome
from pullyard.protocol.fields import Address, AgentSettings, Argv, Branch, Input, Line, Resource, Text

NodeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
RepositoryName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Answer = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")
]
NodeSeconds = Annotated[float, Field(gt=0, le=30 * 86_400)]


class CommandSettings(Input):
    argv: Argv
    required: bool = Field(default=True, description="false: a failure is told and the work goes on")


class PromptSettings(Input):
    prompt: Annotated[Text, Field(min_length=1, max_length=20_000)]
    agent: AgentSettings | None = Field(None, description="null: the task's own")


class ApprovalSettings(Input):
    question: Line
    text: bool = Field(
        default=False,
        description="true: any words are an answer too, and the agents of later nodes are told them",
    )


class _AddedNode(Input):
    name: NodeName
    after: NodeName = Field(description="a node of the workflow, or another one of these")
    limit_seconds: NodeSeconds | None = Field(
        None, description="for one attempt; null: the limit of its phase, for an approval 7 days"
    )
    retries: int = Field(0, ge=0, le=5, description="further attempts after one that failed")


class CommandNode(_AddedNode):
    """Runs in the working copy up to the phase implement, on a clean checkout of the work after it."""

    kind: Literal["command"]
    settings: CommandSettings


class PromptNode(_AddedNode):
    """Runs the agent once more, with these instructions before the task."""

    kind: Literal["agent"]
    settings: PromptSettings


class ApprovalNode(_AddedNode):
    """Asks a person and waits."""

    kind: Literal["approval"]
    settings: ApprovalSettings


AddedNodeInput = Annotated[CommandNode | PromptNode | ApprovalNode, Field(discriminator="kind")]
AddedNodes = Annotated[list[AddedNodeInput], Field(max_length=MAX_ADDED_NODES)]


ForgeName = Literal["bare", "github", "gitlab", "gitea", "bitbucket"]
ForgeKind = Literal["auto", ForgeName]


class TaskRepository(Input):
    """A repository of a task besides the project's own, seen by the agent at `/repositories/<name>`."""

    name: RepositoryName
    repository: Address
    forge: ForgeKind = "auto"
    base_branch: Branch | None = Field(None, description="null: the repository's default branch")
    verify_commands: list[Argv] | None = Field(
        None, max_length=50, description="null: detected on the base branch"
    )


class WorkflowNode(Resource):
    name: str
    kind: NodeKind
    phase: Phase
    next: dict[NodeOutcome, str] = Field(description="by outcome, the node that follows, or `end`")
    limit_seconds: float | None
    retries: int
    settings: dict[str, Any]


class Workflow(Resource):
    name: str
    extensible: bool = Field(description="whether a project's own nodes are added to it")
    nodes: list[WorkflowNode]


class ExecutionNode(Resource):
    """One attempt at one node, in the order in which they were begun."""

    name: str
    kind: NodeKind
    phase: Phase
    attempt: int
    state: Literal["running", "waiting", "ended"]
    outcome: NodeOutcome | None
    reason: Reason | None
    message: str
    seconds: float
    facts: dict[str, Any] = Field(
        description="`log_start` and `log_end` are its section of the phase's log, in bytes"
    )
    started_at: datetime
    finished_at: datetime | None


class Question(Resource):
    """What an execution asks a person; the newest one, also when it is answered."""

    id: str
    node: str
    question: str
    choices: list[str]
    text: bool = Field(description="whether other words than the choices are taken")
    asked_at: datetime
    answer: str | None = None
    answered_at: datetime | None = None
    answered_by: str | None = Field(None, description="the member who answered")
    diffstat: dict[str, Any] | None = Field(None, description="of the work so far")
    diff: str | None = Field(None, description="of the work so far, cut at 256 KiB; null: not told")
    diff_truncated: bool = False
    receipt: dict[str, Any] | None = Field(None, description="of the verification, where there was one")


class AnswerInput(Input):
    answer: Answer = Field(description="`approve`, `reject`, or words where the question takes them")
    question_id: Line | None = Field(None, description="refused where another question is asked by now")


class ReviewInput(Input):
    text: Annotated[Text, Field(min_length=1)] = Field(description="what the review asks for")
    title: Line | None = Field(None, description="of the task that is made; null: after the change's")
