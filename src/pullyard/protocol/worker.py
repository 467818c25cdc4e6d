"""The wire between worker and coordinator, under ``/worker/v1``. JSON bodies, msgspec on both sides.

A worker authenticates with ``Authorization: Bearer <credential>``. Times are seconds; money is micro-units.
Every write for an execution carries its fence; a stale one is answered 409 with code ``lost-lease``.
"""

from typing import Annotated, Any

import msgspec

from pullyard.lifecycle.budgets import AllowanceState
from pullyard.lifecycle.change import ChangeState, ErrandKind
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.tool_routing import Verdict as ToolVerdict
from pullyard.lifecycle.workflows import NodeKind, NodeOutcome, Workflow
from pullyard.protocol.errands import (
    CompareErrand,
    CompareReport,
    IssuesErrand,
    IssuesReport,
    TaskListErrand,
    TaskListReport,
)
from pullyard.protocol.feedback import MOST_REMARKS, Heed, Remark
from pullyard.protocol.isolation import Isolation
from pullyard.protocol.receipts import Envelope


class ClaimRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/claim``. The same ``request_id`` gets the same answer until acknowledged."""

    request_id: str
    slots: int
    """How many executions the worker has room for now; 0 asks for errands only."""
    wait_seconds: float = 50.0


class Answer(msgspec.Struct, kw_only=True):
    question: str
    answer: str


class RepositoryPlace(msgspec.Struct, kw_only=True):
    name: str
    path: str


class TaskBrief(msgspec.Struct, kw_only=True):
    id: str
    number: int
    title: str
    description: str = ""
    acceptance_criteria: list[str] = []
    target_files: list[str] = []
    budget_micros: int | None = None
    base_branch: str | None = None
    """None means the repository's default branch."""
    source_url: str | None = None
    """The forge's issue that it was made from."""
    instructions: str = ""
    """Of the node that runs the agent; the worker fills this in, and what follows."""
    answers: list[Answer] = []
    repositories: list[RepositoryPlace] = []
    """Those beside the project's own, as the agent sees them."""
    session: str = ""
    """What an agent that asked a person goes on from; the last of the answers is the one it waited for."""
    tools: dict[str, ToolVerdict] = {}
    """What becomes of a call, by the names of ``lifecycle.tool_routing.TOOLS``."""
    command_rules: list[list[str]] = []
    """The project's and its worker's owner's, each with the first that fits; the strictest verdict counts."""
    project_files: dict[str, str] = {}
    """Instructions for agents, from the base branch, by the file's name."""


class RepositorySpec(msgspec.Struct, kw_only=True):
    url: str
    """A path on the worker, or an SSH or HTTP(S) address."""
    forge: str = "bare"


class RepositoryGrant(msgspec.Struct, kw_only=True):
    """A repository of a task besides the project's own, seen inside at ``/repositories/<name>``."""

    name: str
    url: str
    forge: str = "bare"
    base_branch: str | None = None
    verify_commands: list[list[str]] | None = None
    """None asks the worker to detect them on the base branch."""


class ChangeStart(msgspec.Struct, kw_only=True):
    """An existing change that an execution goes on with: its branch, and where that is expected to be."""

    id: str
    branch: str
    commit: str
    base_branch: str
    base_commit: str


class AgentSpec(msgspec.Struct, kw_only=True):
    name: str
    settings: dict[str, Any] = {}


class PhaseLimits(msgspec.Struct, kw_only=True):
    prepare_seconds: float = 300.0
    implement_seconds: float = 3600.0
    verify_seconds: float = 60.0
    verify_retries: int = 0
    publish_seconds: float = 300.0

    @property
    def verify_tries(self) -> int:
        """From 1 to 4, whatever was sent."""
        return 1 + min(max(0, self.verify_retries), 3)


class TextPolicy(msgspec.Struct, kw_only=True):
    """What text about the repository may leave the worker's network."""

    logs: bool = True
    diff: bool = True
    """False sends only the names of the files and their counts of lines."""


class ChangeRules(msgspec.Struct, kw_only=True):
    """How a project wants its changes to stand on their forge."""

    draft: bool = True
    labels: list[str] = []
    reviewers: list[str] = []
    assignees: list[str] = []
    co_authors: list[str] = []


class Grant(msgspec.Struct, kw_only=True):
    execution_id: str
    fence: int
    project_id: str
    project_name: str
    correlation_id: str
    """Also the id of the execution's trace."""
    traceparent: str | None = None
    """Of that trace's first span, in W3C's form."""
    queued_seconds: float = 0.0
    """How long the task was in the queue, by the database's clock."""
    task: TaskBrief
    repository: RepositorySpec
    agent: AgentSpec
    limits: PhaseLimits
    branch: str
    """The head branch, derived from the task and the execution: the same on every delivery."""
    setup_commands: list[list[str]] = []
    verify_commands: list[list[str]] | None = None
    """None asks the worker to detect them on the base branch."""
    text_policy: TextPolicy = msgspec.field(default_factory=TextPolicy)
    change_rules: ChangeRules = msgspec.field(default_factory=ChangeRules)
    isolation: Isolation = msgspec.field(default_factory=Isolation)
    resume_from: str | None = None
    """The execution whose salvaged work is the starting point; None starts from the base branch."""
    resume_commit: str | None = None
    """What that execution has published: the starting point where it left nothing to be salvaged."""
    workflow: Workflow | None = None
    """None is the plain code change. Given only to workers of version 2 and later, as is what follows."""
    repositories: list[RepositoryGrant] = []
    change: ChangeStart | None = None
    """For a workflow that starts from a change and pushes to its branch again."""
    signature: str | None = None
    """By the project's owner, see ``protocol.signed_tasks``; the coordinator only passes it on."""
    candidates: int = 0
    """Of so many for the same task it is one: its change is a draft, and says so. 0: nothing is compared."""


class Errand(msgspec.Struct, kw_only=True):
    """Work for a worker that reaches the forge. Repeatable.

    A merge or a close is of a change, and the fields from ``change_id`` on say which. The others are of a
    project and come with ``task_list``; only a worker of protocol version 2 is given them.
    """

    id: str
    fence: int
    kind: ErrandKind
    repository: RepositorySpec
    change_id: str = ""
    branch: str = ""
    base_branch: str = ""
    commit: str = ""
    title: str = ""
    task_list: TaskListErrand | None = None
    heed: Heed | None = None
    """Of a look: whose remarks it is to tell. None: nobody's."""
    issues: IssuesErrand | None = None
    compare: CompareErrand | None = None


class ClaimAnswer(msgspec.Struct, kw_only=True):
    grants: list[Grant] = []
    errands: list[Errand] = []


MOST = 10**15
Amount = Annotated[int, msgspec.Meta(ge=0, le=MOST)]


def amount(number: int) -> int:
    """As near as the wire takes it: one number out of bounds would have all refused that it is sent with."""
    return min(max(number, 0), MOST)


class Usage(msgspec.Struct, kw_only=True):
    input_tokens: Amount = 0
    output_tokens: Amount = 0
    cost_micros: Amount = 0

    def plus(self, other: "Usage") -> "Usage":
        """Within the bounds of the wire, whatever the two hold."""
        return Usage(
            input_tokens=amount(self.input_tokens + other.input_tokens),
            output_tokens=amount(self.output_tokens + other.output_tokens),
            cost_micros=amount(self.cost_micros + other.cost_micros),
        )


class Spending(msgspec.Struct, kw_only=True):
    """What an execution has spent at its model provider so far, all its steps together."""

    number: Amount
    """Larger with every report of the execution: one that was overtaken changes no share."""
    usage: Usage
    kept_micros: Amount = 0
    """Of what it was allowed: it will not go beyond this any more before it asks again."""
    kept_tokens: Amount = 0


class SpendingRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/executions/{id}/spending``: asks for more before its next request. Repeatable."""

    fence: int
    node: str
    """Which asks, with its phase."""
    phase: Phase
    spending: Spending
    asks: bool = True
    """False: nothing waits for more; where a person was asked about it the question is withdrawn."""


class Allowance(msgspec.Struct, kw_only=True):
    """The answer to a report of that ``number``; an older one than the last report is void."""

    number: int
    heard: int = 0
    """The largest number of the execution's that gave it a share: a restarted worker goes on from there."""
    state: AllowanceState = AllowanceState.OPEN
    micros: int | None = None
    """What the execution may spend in all before it asks again; None is no limit."""
    tokens: int | None = None
    shared: bool = False
    """Of a state other than ``open``: whether the next day, or others, may bring what is missing."""
    message: str = ""


class KeyRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/executions/{id}/key``: a provider's key that a person sealed to this worker."""

    fence: int
    provider: str
    sealing_key: str
    """The worker's public one."""


class KeyAnswer(msgspec.Struct, kw_only=True):
    id: str = ""
    box: str = ""
    """See ``protocol.sealing``; empty where there is none."""


class HeldExecution(msgspec.Struct, kw_only=True):
    execution_id: str
    fence: int
    spending: Spending | None = None
    """None where nothing was spent since the last one."""


MOST_WINDOWS = 100
"""In one heartbeat."""


class QuotaWindow(msgspec.Struct, kw_only=True):
    """A provider limits a credential of the worker's, for everything that uses it."""

    execution_id: str
    """One that ran into the limit; its agent is what needs the credential."""
    credential: str
    """Its name in the worker's configuration, never the key."""
    seconds: Annotated[float, msgspec.Meta(ge=0, le=32 * 86_400)]
    """From now until it ends."""


class HeartbeatRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/heartbeat``: one for all executions. The first one acknowledges a grant."""

    executions: list[HeldExecution] = []
    free_slots: int = 0
    draining: bool = False
    quota: Annotated[list[QuotaWindow], msgspec.Meta(max_length=MOST_WINDOWS)] = []
    """Those that began since the last heartbeat that was answered."""
    labels: list[str] | None = None
    """All that it has just now; None where they are those that it connected with."""


class PersonAnswer(msgspec.Struct, kw_only=True):
    """What a person said to an execution's question. Sent until the worker reports the node's end."""

    execution_id: str
    question_id: str
    answer: str


class HeartbeatAnswer(msgspec.Struct, kw_only=True):
    lease_seconds: float
    """From the moment the request was sent, by the worker's monotonic clock."""
    cancel: list[str] = []
    """Executions to stop with salvage; their finish says ``cancelled``."""
    lost: list[str] = []
    """Executions that are no longer this worker's: stop, salvage, report nothing."""
    drain: bool = False
    watched: list[str] = []
    """Executions somebody looks at now: flush their logs sooner."""
    answers: list[PersonAnswer] = []
    allowances: dict[str, Allowance] = {}
    """By execution, to those that told of their spending."""


class NodeFact(msgspec.Struct, kw_only=True):
    """One attempt at one node of the workflow, as it stands now; ``outcome`` None while it is under way."""

    name: str
    kind: NodeKind
    phase: Phase
    place: int = 0
    """In the order in which they were begun."""
    attempt: int = 1
    outcome: NodeOutcome | None = None
    reason: Reason | None = None
    """Why it failed."""
    message: str = ""
    seconds: float = 0.0
    facts: dict[str, Any] = {}
    """``log_start`` and ``log_end`` are its section of its phase's log stream, in bytes."""


class PhaseReport(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/executions/{id}/phase``: a node begins, and with it perhaps its phase. Repeatable.

    A worker of version 1 knows of phases only and sends no ``nodes``.
    """

    fence: int
    phase: Phase
    facts: dict[str, Any] = {}
    nodes: list[NodeFact] = []
    """Those that ended since the last report, and the one that begins; each replaces what was told of it."""


class LogAnswer(msgspec.Struct, kw_only=True):
    """To ``POST /worker/v1/executions/{id}/logs/{stream}?fence=F&offset=N`` with a zstd frame as the body.

    Answered 200 after commit with the new end; 409 with code ``log-offset`` and the same shape in
    ``details`` where ``offset`` is not the end: go on from there. ``offset`` counts raw bytes.
    """

    end: int


class Tally(msgspec.Struct, kw_only=True):
    """Tests by their outcome, as the command's own output tells: the word of code that was just changed."""

    framework: str
    passed: int
    failed: int
    skipped: int


class CommandResult(msgspec.Struct, kw_only=True):
    argv: list[str]
    exit_code: int | None
    """None where the command could not be started or was stopped by its time limit."""
    seconds: float
    outcome: str
    """``passed``, ``failed``, ``timed-out``, or ``skipped`` where its program is not there."""
    exceeded: str = ""
    """The sandbox's limits that it ran into, in sentences."""
    tests: Tally | None = None
    """None where the output tells none."""
    flaky: bool = False
    """It failed, and passed in a later try on a fresh checkout. All else here is of the last try."""


class Receipt(msgspec.Struct, kw_only=True):
    """Proof of verification: a fresh checkout of exactly this commit, by the base branch's commands."""

    commit: str
    tree: str
    base_commit: str
    commands: list[CommandResult]
    passed: bool
    """True where every command passed; with no commands at all it is False and ``warning`` says why."""
    seconds: float
    """Of all tries."""
    tries: int = 1
    """On how many fresh checkouts, each in a sandbox of its own; more than one only where a project asks."""
    sandbox: dict[str, Any] = {}
    """``name``, ``level``, ``own_account``, ``image``, and ``network``, a SHA-256 of what may be reached."""
    warning: str | None = None
    worker_id: str = ""
    verified_at: str = ""
    """When it ended by the worker's clock, in UTC as RFC 3339 has it."""
    envelope: Envelope | None = None
    """All of the above, signed by the worker: see ``protocol.receipts``. Passed on as it is."""


class FileChange(msgspec.Struct, kw_only=True):
    path: str
    status: str
    """``added``, ``modified``, ``deleted``, ``renamed`` or ``type-changed``."""
    additions: int | None = None
    """None for a binary file."""
    deletions: int | None = None


class Diffstat(msgspec.Struct, kw_only=True):
    files: list[FileChange]
    additions: int
    deletions: int


class PublishedChange(msgspec.Struct, kw_only=True):
    branch: str
    base_branch: str
    base_commit: str
    commit: str
    title: str
    body: str
    diffstat: Diffstat
    diff: str | None = None
    """The unified diff, where the text policy lets it leave; cut at a line end when very long."""
    diff_truncated: bool = False
    url: str | None = None
    repository: str | None = None
    """The name of the task's repository that it is in; None is the project's own."""
    receipt: Receipt | None = None
    """Of a change in another repository than the project's own; that one's is the execution's."""


class AskRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/executions/{id}/ask``: a node waits for a person. Repeatable with the same id."""

    fence: int
    question_id: str
    node: str
    question: str
    choices: list[str] = []
    """What may be answered; with ``text`` any other words too."""
    text: bool = False
    diffstat: Diffstat | None = None
    """What the work is so far, for the one who decides; as far as the text policy lets it leave."""
    diff: str | None = None
    diff_truncated: bool = False
    receipt: Receipt | None = None


class FinishRequest(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/executions/{id}/finish``: the one last write. Repeatable with the same content."""

    fence: int
    reason: Reason | None = None
    """None for success."""
    message: str = ""
    """One sentence for the user: what happened and what to do."""
    change: PublishedChange | None = None
    """None on success means that the agent rightly changed nothing."""
    receipt: Receipt | None = None
    phases: list[Phase] = []
    """Those that began and were not reported yet, in order: a short execution tells all of it at its end."""
    phase_seconds: dict[str, float] = {}
    usage: Usage = msgspec.field(default_factory=Usage)
    salvage_ref: str | None = None
    facts: dict[str, Any] = {}
    nodes: list[NodeFact] = []
    """The last state of every node that was walked."""
    quota_seconds: Annotated[float, msgspec.Meta(ge=0, le=32 * 86_400)] = 0.0
    """With the reason ``quota_reached``: until the limit ends, from when this was sent."""
    further_changes: list[PublishedChange] = []
    """In the task's other repositories, each naming its ``repository``; with or without ``change``."""
    next_request_id: str | None = None
    """Asks for one more execution in the place of this one: a claim for one slot, which nobody waits for.

    The answer is a ``ClaimAnswer``. A coordinator that does not know of this gives nothing.
    """


class SalvageReport(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/executions/{id}/salvage``: saved after its end was told, or its owner dropped it.

    Taken also from the worker that lost the execution, because it changes nothing but what can be gone on
    from. Repeatable.
    """

    fence: int
    salvage_ref: str
    salvage: dict[str, Any] = {}
    """As ``facts["salvage"]`` of a finish."""
    dropped: bool = False


class ChangeLook(msgspec.Struct, kw_only=True):
    """How a change stands on its forge."""

    state: ChangeState
    commit: str
    merged_commit: str | None = None
    """Set where it is merged."""
    draft: bool = False
    approved: bool = False
    checks: str = "none"
    """``none``, ``pending``, ``passing`` or ``failing``."""
    asked: str | None = None
    """The commit that the remarks were asked about; None where nobody was to be heeded."""
    remarks: Annotated[list[Remark], msgspec.Meta(max_length=MOST_REMARKS)] = []
    unheard: str = ""
    """Why none can be told although somebody was to be heeded."""


class ErrandReport(msgspec.Struct, kw_only=True):
    """``POST /worker/v1/errands/{id}``: done (``commit`` is the merge's result) or failed with a message."""

    fence: int
    done: bool
    commit: str | None = None
    message: str = ""
    task_list: TaskListReport | None = None
    issues: IssuesReport | None = None
    compare: CompareReport | None = None
    look: ChangeLook | None = None
    """None where the forge knows nothing of the change."""
    refused: bool = False
    """The worker's owner does not allow it, so nothing was begun; the owner of another worker may."""


class Done(msgspec.Struct, kw_only=True):
    ok: bool = True
