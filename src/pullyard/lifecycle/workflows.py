"""Workflows as data: the nodes that an execution walks, and where each outcome leads.

Which node follows is decided by the outcome of the one before. The worker's engine knows kinds of nodes and
nothing of any one workflow, so a new workflow is a new value in ``WORKFLOWS``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pullyard.lifecycle.execution import Phase

END = "end"
"""The target of an edge that ends the walk well."""


class NodeKind(StrEnum):
    PREPARE = "prepare"
    """Makes the working copies; ``start`` ``change`` at an existing change, with ``merge`` ``base`` with its
    base branch, as that is now, merged in."""
    AGENT = "agent"
    """Runs the agent in the working copy; ``prompt`` is put before its task, as further instructions."""
    MERGE = "merge"
    """Commits the merge that it was prepared with, where git could do all of it."""
    DETECT = "detect"
    """Finds out what a repository is made of and writes its task list; needs no model."""
    COMMAND = "command"
    """Runs ``argv``: in the working copy up to the phase implement, in the verified checkout after it."""
    VERIFY = "verify"
    """Runs the verify commands on a clean checkout and leaves a receipt."""
    APPROVAL = "approval"
    """Asks a person ``question`` and waits; with ``text`` any words are an answer, else approve or reject."""
    PUBLISH = "publish"
    """Pushes what was harvested; ``onto`` ``change`` moves the branch of an existing change."""


WORKING_KINDS = frozenset({NodeKind.AGENT, NodeKind.DETECT, NodeKind.COMMAND})
"""They may change files."""


APPROVE = "approve"
REJECT = "reject"
CHOICES = (APPROVE, REJECT)
"""What every question can be answered with."""


class NodeOutcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    REJECTED = "rejected"
    """A person said no."""
    UNCHANGED = "unchanged"
    """There is nothing to deliver: no file differs from the base."""


@dataclass(frozen=True)
class Node:
    """One step. Without an edge for its outcome, ``passed`` ends the walk well and every other one badly."""

    name: str
    kind: NodeKind
    phase: Phase
    next: Mapping[NodeOutcome, str] = field(default_factory=dict[NodeOutcome, str])
    limit_seconds: float | None = None
    """For one attempt; None takes the limit of its phase."""
    retries: int = 0
    """Attempts after the first one that failed, on what that one left behind."""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """By its kind; with ``when`` any of them is walked only under that condition, such as ``PROTECTED``."""


@dataclass(frozen=True)
class Workflow:
    """``nodes`` begin with the one that is walked first."""

    name: str
    nodes: tuple[Node, ...]
    extensible: bool = True
    """Whether a project's own nodes are added to it."""

    def node(self, name: str) -> Node:
        """Raises StopIteration where there is none of this name: only checked workflows are walked."""
        return next(node for node in self.nodes if node.name == name)


def following(workflow: Workflow, node: Node, outcome: NodeOutcome) -> Node | None:
    """The node to walk after ``node`` ended so; None ends the walk well. Ask ``leads_on`` first."""
    target = node.next.get(outcome, END)
    return None if target == END else workflow.node(target)


def leads_on(node: Node, outcome: NodeOutcome) -> bool:
    """Whether the walk goes on or ends well; False means that the execution has failed here."""
    return outcome is NodeOutcome.PASSED or outcome in node.next


def walked_only(node: Node) -> str | None:
    """The condition that a node is walked under; None is always. One that is not met counts as passed."""
    when = node.settings.get("when")
    return None if when is None else str(when)


def works_last(workflow: Workflow, node: Node) -> bool:
    """Whether no later node works in the working copy: then what is there is what will be delivered."""
    after = following(workflow, node, NodeOutcome.PASSED)
    while after is not None:
        if after.phase is Phase.IMPLEMENT and after.kind in WORKING_KINDS:
            return False
        after = following(workflow, after, NodeOutcome.PASSED)
    return node.phase is Phase.IMPLEMENT


def is_plain(workflow: Workflow) -> bool:
    """Whether a worker that knows nothing of workflows does the same by its fixed order of phases."""
    return workflow == CODE_CHANGE


PROTECTED = "protected"
"""The condition that the work touches paths which the project protects."""
CONFLICTS = "conflicts"
"""The condition that a merge is under way which git could not do by itself."""
# Behind everything that proves the work, so that a person decides over what would be published.
_LOOK = Node(
    "protected-paths",
    NodeKind.APPROVAL,
    Phase.VERIFY,
    {NodeOutcome.PASSED: "publish"},
    settings={"when": PROTECTED, "question": "This touches protected paths. Shall it be published?"},
)


def _code_workflow(
    name: str,
    *,
    prepare: Mapping[str, Any] | None = None,
    implement: Mapping[str, Any] | None = None,
    publish: Mapping[str, Any] | None = None,
) -> Workflow:
    """Prepare, implement, verify, publish: what all work by an agent has in common."""
    passed = NodeOutcome.PASSED
    return Workflow(
        name,
        (
            Node("prepare", NodeKind.PREPARE, Phase.PREPARE, {passed: "implement"}, settings=prepare or {}),
            Node("implement", NodeKind.AGENT, Phase.IMPLEMENT, {passed: "verify"}, settings=implement or {}),
            *_proved_and_published(publish or {}),
        ),
    )


def _proved_and_published(publish: Mapping[str, Any]) -> tuple[Node, ...]:
    return (
        Node("verify", NodeKind.VERIFY, Phase.VERIFY, {NodeOutcome.PASSED: _LOOK.name}),
        _LOOK,
        Node("publish", NodeKind.PUBLISH, Phase.PUBLISH, settings=publish),
    )


CODE_CHANGE = _code_workflow("code-change")

ERROR_RESOLUTION = _code_workflow(
    "error-resolution",
    implement={
        "prompt": "An earlier task of this project failed; how is described below. Find the cause and mend "
        "it, so that the task can succeed when it is tried again. Do not do the failed task itself."
    },
)

REVIEW_RESPONSE = _code_workflow(
    "review-response",
    prepare={"start": "change"},
    implement={
        "prompt": "The working directory holds a change that is under review; what the reviewer says of it "
        "is described below. Do what the review asks for, and keep what the change does already."
    },
    publish={"onto": "change"},
)

CHANGE_UPDATE = Workflow(
    "change-update",
    (
        Node(
            "prepare",
            NodeKind.PREPARE,
            Phase.PREPARE,
            {NodeOutcome.PASSED: "merge"},
            settings={"start": "change", "merge": "base"},
        ),
        Node("merge", NodeKind.MERGE, Phase.IMPLEMENT, {NodeOutcome.PASSED: "implement"}),
        Node(
            "implement",
            NodeKind.AGENT,
            Phase.IMPLEMENT,
            {NodeOutcome.PASSED: "verify"},
            settings={
                "when": CONFLICTS,
                "prompt": "The working directory holds a change into which its base branch is being merged, "
                "because that has moved on since. Git has put together what it could. Solve the conflicts "
                "that are left, so that what the change does and what came to the base branch both go on "
                "working. Change nothing else.",
            },
        ),
        *_proved_and_published({"onto": "change"}),
    ),
)

REPOSITORY_INITIALIZATION = Workflow(
    "repository-initialization",
    (
        # A repository without any commit is what this workflow is there for, among others.
        Node(
            "prepare",
            NodeKind.PREPARE,
            Phase.PREPARE,
            {NodeOutcome.PASSED: "implement"},
            settings={"empty": "allowed"},
        ),
        Node(
            "implement",
            NodeKind.DETECT,
            Phase.IMPLEMENT,
            {NodeOutcome.PASSED: "verify", NodeOutcome.UNCHANGED: END},
        ),
        # What was detected is tried, and the change says how it went; a failure is a finding, not an end.
        Node(
            "verify",
            NodeKind.VERIFY,
            Phase.VERIFY,
            {NodeOutcome.PASSED: _LOOK.name, NodeOutcome.FAILED: _LOOK.name},
        ),
        _LOOK,
        Node("publish", NodeKind.PUBLISH, Phase.PUBLISH, settings={"unproved": "allowed"}),
    ),
    extensible=False,
)

WORKFLOWS: Mapping[str, Workflow] = {
    workflow.name: workflow
    for workflow in (
        CODE_CHANGE,
        REPOSITORY_INITIALIZATION,
        ERROR_RESOLUTION,
        REVIEW_RESPONSE,
        CHANGE_UPDATE,
    )
}
ON_A_CHANGE = frozenset({REVIEW_RESPONSE.name, CHANGE_UPDATE.name})
"""Those that go on with a change, on its branch."""
