"""What people and programs read and write through ``/api/v1``. Times are UTC, money is micro-units."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, StringConstraints

from pullyard.lifecycle.authors import CO_AUTHOR, MOST_CO_AUTHORS
from pullyard.lifecycle.automation import AutomationState
from pullyard.lifecycle.change import BRANCH_PREFIX, ChangeState, ErrandKind, ErrandState
from pullyard.lifecycle.execution import ExecutionState
from pullyard.lifecycle.reasons import Fault, Reason
from pullyard.lifecycle.task import PendingReason, TaskState
from pullyard.lifecycle.worker import WorkerState
from pullyard.lifecycle.workflows import CODE_CHANGE
from pullyard.protocol.fields import (
    Address,
    AgentSettings,
    Argv,
    Branch,
    Input,
    Label,
    Line,
    Moment,
    Name,
    Resource,
    Seconds,
    Signature,
    TaskId,
    Text,
)
from pullyard.protocol.forge_events import ForgeEventSettings
from pullyard.protocol.isolation import IsolationSettings
from pullyard.protocol.overlaps import ChangeConflict, ChangeUpdate, Overlap, OverlapRule
from pullyard.protocol.workflows import AddedNodeInput, AddedNodes, ForgeKind, Question, TaskRepository

CoAuthor = Annotated[str, StringConstraints(strip_whitespace=True, pattern=CO_AUTHOR)]
BranchPrefix = Annotated[str, StringConstraints(max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*[/-]$")]
DailyBudget = Annotated[int, Field(ge=1, le=10**15, strict=True)]
ItemT = TypeVar("ItemT")


class Page(Resource, Generic[ItemT]):
    items: list[ItemT]
    next: str | None = Field(None, description="Pass it as `cursor` for the next page; null on the last.")


class Problem(Resource):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    details: dict[str, Any] = Field(default_factory=dict)


class LimitSettings(Input):
    prepare_seconds: Seconds = 300.0
    implement_seconds: Seconds = 3600.0
    verify_seconds: Seconds = 60.0
    verify_retries: int = Field(
        default=0,
        ge=0,
        le=3,
        description="how often a verification that failed is run anew on a fresh checkout; what passes then "
        "is marked as flaky",
    )
    publish_seconds: Seconds = 300.0


class RetrySettings(Input):
    max_tries: int = Field(default=1, ge=1, le=20)
    backoff_seconds: float = Field(
        default=5.0, ge=0, le=86_400, description="before the second try; doubled for each further one"
    )
    backoff_limit_seconds: float = Field(default=300.0, ge=0, le=86_400)
    resume: bool = Field(default=False, description="go on from the work that the failed try has saved")
    another_worker: bool = Field(
        default=False, description="prefer a worker other than the one on which the last try failed"
    )


class TextPolicySettings(Input):
    logs: bool = True
    diff: bool = True
    task_list: bool = Field(default=True, description="the task list's text may leave the worker")


class ChangeRuleSettings(Input):
    """How changes stand on their forge, and to each other. A bare repository has branches alone."""

    draft: bool = Field(default=True, description="false: open for review at once")
    labels: list[Line] = Field(default_factory=list, max_length=20)
    reviewers: list[Line] = Field(
        default_factory=list, max_length=20, description="account names; on GitHub also `owner/team`"
    )
    assignees: list[Line] = Field(default_factory=list, max_length=20)
    co_authors: list[CoAuthor] = Field(
        default_factory=list,
        max_length=MOST_CO_AUTHORS,
        description="`Name <address>`: whom its commits name as co-authors",
    )
    branch_prefix: BranchPrefix = Field(
        default=BRANCH_PREFIX, description="of the branches; workers' policies allow `pullyard/` at first"
    )
    overlap: OverlapRule = Field(
        default=OverlapRule.WARN,
        description="of work that touches the same files: `warn` shows it; `queue` lets a task, by its "
        "`target_files`, wait until the other work is merged or closed; `update` brings an open change up to "
        "date by itself when another one was merged first",
    )


class OnError(StrEnum):
    STOP = "stop"
    SKIP = "skip"
    RESOLVE = "resolve"


ListPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f\\]*$"),
]


class AutomationPolicy(Input):
    """What a project does by itself. It is about tasks that came from its task list or were injected."""

    on_error: OnError = Field(
        default=OnError.STOP,
        description="when such a task fails for good: `stop` halts the project, `skip` goes on, "
        "`resolve` lets an agent mend the cause and tries again",
    )
    max_resolutions: int = Field(
        default=2, ge=1, le=10, description="of `resolve`: so often for one task, then a person is asked"
    )
    sync_seconds: int = Field(default=300, ge=10, le=86_400, description="between two looks at the task list")


class ProjectInput(Input):
    name: Name
    repository: Address
    forge: ForgeKind = Field(
        default="auto",
        description="where changes are published; `auto`: told by the host, or by the worker's settings for "
        "it; `bare`: only the branch is pushed",
    )
    default_branch: Branch | None = None
    agent: AgentSettings = AgentSettings()
    setup_commands: list[Argv] = Field(default=[], max_length=50)
    verify_commands: list[Argv] | None = Field(
        None, max_length=50, description="null: detected on the base branch"
    )
    limits: LimitSettings = LimitSettings()
    retry: RetrySettings = RetrySettings()
    text_policy: TextPolicySettings = TextPolicySettings()
    change_rules: ChangeRuleSettings = ChangeRuleSettings()
    forge_events: ForgeEventSettings = ForgeEventSettings()
    automation_policy: AutomationPolicy = AutomationPolicy()
    labels: list[Label] = Field(default_factory=list, max_length=50)
    max_running: int = Field(1, ge=1, le=1000)
    daily_budget_micros: DailyBudget | None = Field(
        None, description="by the UTC day; what runs goes on, no more is begun. null: no limit"
    )
    isolation: IsolationSettings = IsolationSettings()
    workflow_nodes: AddedNodes = Field(default=[], description="walked in addition, in every code workflow")


class ProjectPatch(Input):
    name: Name | None = None
    forge: ForgeKind | None = None
    default_branch: Branch | None = None
    agent: AgentSettings | None = None
    setup_commands: list[Argv] | None = Field(None, max_length=50)
    verify_commands: list[Argv] | None = Field(None, max_length=50)
    limits: LimitSettings | None = None
    retry: RetrySettings | None = None
    text_policy: TextPolicySettings | None = None
    change_rules: ChangeRuleSettings | None = None
    forge_events: ForgeEventSettings | None = None
    automation_policy: AutomationPolicy | None = None
    labels: list[Label] | None = Field(None, max_length=50)
    max_running: int | None = Field(None, ge=1, le=1000)
    daily_budget_micros: DailyBudget | None = None
    isolation: IsolationSettings | None = None
    workflow_nodes: AddedNodes | None = None


class Project(Resource):
    id: str
    name: str
    repository: str
    forge: str
    default_branch: str | None
    agent: AgentSettings
    setup_commands: list[list[str]]
    verify_commands: list[list[str]] | None
    limits: LimitSettings
    retry: RetrySettings
    text_policy: TextPolicySettings
    change_rules: ChangeRuleSettings
    forge_events: ForgeEventSettings
    issues_problem: str | None = Field(
        None, description="why the newest look for labelled issues failed; null: it did not"
    )
    automation_policy: AutomationPolicy
    labels: list[str]
    max_running: int
    daily_budget_micros: int | None
    spent_today_micros: int
    isolation: IsolationSettings
    workflow_nodes: list[AddedNodeInput]
    automation: AutomationState
    queued: int
    running: int
    version: int
    created_at: datetime
    updated_at: datetime


class TaskTemplate(Input):
    """What a task is made from, also by a schedule or a rule for events."""

    title: Line
    description: Text = ""
    acceptance_criteria: list[Line] = Field(default_factory=list, max_length=100)
    target_files: list[Line] = Field(
        default_factory=list,
        max_length=1000,
        description="files to look at first: paths from the top of the repository, each with all below it; "
        "`*`, `?` and `**` are allowed. The first 50 are compared with what other work touches",
    )
    verify_commands: list[Argv] | None = Field(None, max_length=50, description="null: as the project says")
    priority: int = Field(0, ge=-1000, le=1000, description="higher runs earlier")
    labels: list[Label] = Field(default_factory=list, max_length=50, description="what a worker must have")
    budget_micros: int | None = Field(None, ge=0, le=10**15, description="of all tries together")
    budget_tokens: int | None = Field(
        None, ge=1, le=10**15, description="of all tries together, input and output"
    )
    base_branch: Branch | None = Field(None, description="null: as the project says")
    agent: AgentSettings | None = Field(None, description="null: as the project says")
    retry: RetrySettings | None = Field(None, description="null: as the project says")
    workflow: Line = Field(CODE_CHANGE.name, description="one of `GET /api/v1/workflows`")
    repositories: list[TaskRepository] = Field(
        default_factory=list[TaskRepository],
        max_length=10,
        description="besides the project's own: all changes are published, or none",
    )


class TaskInput(TaskTemplate):
    depends_on: list[TaskId] = Field(default_factory=list, max_length=100)
    start_at: Moment | None = Field(None, description="not before; the database's clock decides")
    draft: bool = Field(default=False, description="kept back until `POST …/ready`")
    signature: Signature | None = Field(
        None, description="of the work by the project's owner, for workers that demand one; `pullyard sign`"
    )


class TaskPatch(Input):
    title: Line | None = None
    description: Text | None = None
    acceptance_criteria: list[Line] | None = Field(None, max_length=100)
    target_files: list[Line] | None = Field(None, max_length=1000)
    verify_commands: list[Argv] | None = Field(None, max_length=50)
    priority: int | None = Field(None, ge=-1000, le=1000)
    budget_micros: int | None = Field(None, ge=0, le=10**15)
    budget_tokens: int | None = Field(None, ge=1, le=10**15)
    base_branch: Branch | None = None
    agent: AgentSettings | None = None
    retry: RetrySettings | None = None
    labels: list[Label] | None = Field(None, max_length=50)
    depends_on: list[TaskId] | None = Field(None, max_length=100, description="replaces them all")
    start_at: Moment | None = None
    draft: bool | None = None
    signature: Signature | None = None


class TaskSource(StrEnum):
    REQUEST = "request"
    LIST = "list"
    INJECT = "inject"
    RESOLUTION = "resolution"


class Task(Resource):
    id: str
    project_id: str
    number: int
    title: str
    description: str
    acceptance_criteria: list[str]
    target_files: list[str]
    verify_commands: list[list[str]] | None
    priority: int
    position: int = Field(0, description="of those of one priority that wait, the lowest is taken first")
    labels: list[str]
    depends_on: list[str]
    open_dependencies: list[str] = Field(
        default_factory=list, description="those of `depends_on` that are not completed"
    )
    start_at: datetime | None = None
    draft: bool = False
    schedule_id: str | None = Field(None, description="the schedule that made it")
    source_url: str | None = Field(None, description="the issue on the forge that it was made from")
    budget_micros: int | None
    budget_tokens: int | None = None
    base_branch: str | None
    agent: AgentSettings | None
    retry: RetrySettings | None = None
    workflow: str
    repositories: list[TaskRepository]
    signature: str | None = Field(None, description="of the work by the project's owner")
    state: TaskState
    pending_reason: PendingReason | None
    held_until: datetime | None = Field(None, description="when a pending task is queued by itself")
    overlaps: list[Overlap] = Field(
        default_factory=list[Overlap],
        description="work under way that touches the same files, as it was when the task last waited",
    )
    waits_for: str | None = Field(None, description="of them, the change or the task that it is held for")
    unmet_labels: list[str] = Field(default_factory=list, description="labels that no connected worker has")
    reason: Reason | None = Field(None, description="why it failed")
    message: str = ""
    source: TaskSource = Field(TaskSource.REQUEST, description="where it came from")
    list_key: str | None = Field(None, description="its item in the task list")
    resolves: str | None = Field(None, description="the failed task whose cause this one is to mend")
    comparison_id: str | None = Field(None, description="in which it is one of several candidates")
    execution_id: str | None = Field(None, description="the newest execution")
    change_id: str | None = None
    tries: int
    version: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class TaskRetry(Input):
    resume: bool = Field(default=False, description="go on from the salvaged work of the newest execution")


class Intervention(Input):
    reason: Line | None = Field(
        default=None, description="why; shown with the task and kept in the audit log"
    )


class QuarantineWish(Intervention):
    take_back: bool = Field(default=False, description="its executions are queued again, for other workers")


class Execution(Resource):
    id: str
    task_id: str
    project_id: str
    worker_id: str | None
    state: ExecutionState
    reason: Reason | None
    fault: Fault | None
    message: str
    correlation_id: str
    phase_seconds: dict[str, float]
    receipt: dict[str, Any] | None
    salvage_ref: str | None
    resumed_from: str | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    facts: dict[str, Any]
    question: Question | None = Field(None, description="the newest question to a person")
    queued_at: datetime
    assigned_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Salvage(Resource):
    """Unfinished work of an execution, as its worker told of it when it was saved."""

    execution_id: str
    task_id: str
    project_id: str
    worker_id: str | None = Field(description="in whose mirror it is")
    worker_name: str | None
    reference: str = Field(description="in that mirror and, where it was pushed, in the repository")
    repositories: list[dict[str, Any]] = Field(
        description="each with `repository` (null: the project's own), `commit`, `base_commit`, `pushed`, "
        "`diffstat` and, where the text policy lets it leave, `diff` and `diff_truncated`"
    )


class Worker(Resource):
    id: str
    name: str
    state: WorkerState
    labels: list[str]
    arch: str
    slots: int
    running: int
    software_version: str
    protocol_version: int
    facts: dict[str, Any]
    enrolled_at: datetime
    seen_at: datetime | None
    quarantine_reason: str | None = Field(None, description="why it is quarantined, where that was said")
    revoked_at: datetime | None = Field(None, description="when its access was taken away, for good")


class ReceiptKey(Resource):
    """What a worker signs its receipts with, as it told when it last connected."""

    worker_id: str
    worker_name: str
    key: str = Field(description="public, of Ed25519: `ed25519:` and its 32 bytes in base64")
    revoked_at: datetime | None = Field(None, description="when the worker's access was taken away")
    removed_at: datetime | None = Field(None, description="since when the worker is not shown any more")


class ForgeStatus(Resource):
    draft: bool
    approved: bool
    checks: Literal["none", "pending", "passing", "failing"] = Field(
        description="what the forge's own tests say of the newest commit"
    )


class ChangeResponse(Resource):
    """A task that has worked, works or will work on a change because of what was said against it."""

    task_id: str
    number: int
    title: str
    state: TaskState
    created_at: datetime


_LookedAt = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")]


class ApprovalInput(Input):
    commit: _LookedAt = Field(description="the change's `commit` that was looked at")


class MergeInput(Input):
    commit: _LookedAt | None = Field(
        default=None,
        description="the change's `commit` that was looked at: with another one by now it is not merged",
    )


class ChangeApproval(Resource):
    member_id: str
    member_name: str
    at: datetime


class Change(Resource):
    id: str
    project_id: str
    task_id: str
    task_number: int
    priority: int = Field(description="of its task")
    comparison_id: str | None = Field(None, description="in which its task is one of several candidates")
    undecided: bool = Field(
        default=False, description="none of the candidates is chosen yet: it can't be merged before"
    )
    execution_id: str
    state: ChangeState
    repository: str | None = Field(None, description="the task's repository; null: the project's own")
    branch: str
    base_branch: str
    base_commit: str
    commit: str
    merged_commit: str | None
    title: str
    body: str
    diffstat: dict[str, Any]
    has_diff: bool
    receipt: dict[str, Any] | None
    errand: "ChangeErrand | None" = Field(None, description="the newest merge or close asked for")
    url: str | None
    conflicts: list[ChangeConflict] = Field(
        default_factory=list[ChangeConflict], description="what it can't be merged with, where it is open"
    )
    forge_status: ForgeStatus | None = Field(
        None, description="of an open change, as its forge was seen last; null: not seen yet, or no API"
    )
    attention: str | None = Field(None, description="why a person has to look at it; null: nobody has to")
    approval: ChangeApproval | None = Field(
        None, description="the newest one by a member, of the commit as it is now"
    )
    update: ChangeUpdate | None = Field(
        None, description="the newest time that it was brought up to date by itself; null: never"
    )
    responses: list[ChangeResponse] = Field(
        default_factory=list[ChangeResponse], description="the newest 20, newest first"
    )
    cost_micros: int = Field(description="of all executions of its task and of the responses")
    version: int
    created_at: datetime
    updated_at: datetime


class ChangeErrand(Resource):
    id: str
    kind: ErrandKind
    state: ErrandState
    message: str
    created_at: datetime


class Event(Resource):
    cursor: int
    kind: str
    project_id: str | None
    task_id: str | None
    execution_id: str | None
    payload: dict[str, Any]
    at: datetime


class TokenInput(Input):
    name: Name
    kind: Literal["api", "events", "enrolment"] = Field(
        default="api", description="`events` may hand in events, and nothing else"
    )
    seconds: int | None = Field(
        None, ge=1, le=10 * 365 * 86_400, description="null: API tokens do not expire"
    )


class Token(Resource):
    id: str
    name: str
    kind: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    secret: str | None = Field(None, description="shown once, when it is made")


class LoginExchange(Input):
    link_token: str = Field(max_length=500)


class Session(Resource):
    member_id: str
    member_name: str
    tenant_id: str


class Version(Resource):
    software: str
    protocol_versions: list[int]


class LaneState(Resource):
    labels: list[str]
    """What a worker must have to take these tasks."""
    queued: int


class QueueState(Resource):
    queued: int
    """All queued tasks, those of paused and stopped projects too."""
    claimable: int
    """Those that the limits of their projects would let run now, had every project a worker."""
    running: int
    wanted: int
    """``claimable`` and ``running`` together: so many slots would leave nothing waiting. For a scaler."""
    lanes: list[LaneState]
    """Of projects whose automation runs; the 100 with the most, counted over 100,000 tasks at most."""
