"""What a workflow must keep to, and how a project's own nodes are put into one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pullyard.lifecycle.execution import (
    EXECUTION_TRANSITIONS,
    PHASE_EVENTS,
    PHASE_STATES,
    ExecutionEvent,
    Phase,
)
from pullyard.lifecycle.workflows import END, Node, NodeKind, NodeOutcome, Workflow

MAX_NODES = 50
MAX_ADDED_NODES = 20
ADDABLE = (NodeKind.COMMAND, NodeKind.AGENT, NodeKind.APPROVAL)
NODE_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_WORKING_COPY = (Phase.PREPARE, Phase.IMPLEMENT)


class WorkflowInvalid(Exception):
    """The graph can't be walked; the message names the node and says what to change."""


@dataclass(frozen=True)
class AddedNode:
    """A node of a project's own, walked after the node ``after`` whenever that leads on."""

    name: str
    after: str
    kind: NodeKind
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    limit_seconds: float | None = None
    retries: int = 0


def extend(workflow: Workflow, added: Sequence[AddedNode]) -> Workflow:
    """``workflow`` with a project's nodes. Raises WorkflowInvalid.

    Of several nodes after the same one, the first that is listed is walked first.
    """
    if not added:
        return workflow
    if len(added) > MAX_ADDED_NODES:
        raise WorkflowInvalid(f"A project adds at most {MAX_ADDED_NODES} nodes, not {len(added)}.")
    _check_names(workflow, added)
    nodes = {node.name: node for node in workflow.nodes}
    order = [node.name for node in workflow.nodes]
    for one, place in _in_order(nodes, added):
        before = nodes[place]
        nodes[one.name] = _placed(one, before)
        nodes[place] = replace(before, next=_rerouted(before, one.name))
        order.insert(order.index(place) + 1, one.name)
    extended = replace(workflow, nodes=tuple(nodes[name] for name in order))
    check_workflow(extended)
    return extended


def check_workflow(workflow: Workflow) -> None:
    """Every walk ends, keeps the order of phases and publishes only what was proved, or WorkflowInvalid."""
    _check_nodes(workflow)
    _check_edges(workflow)
    seen: set[str] = set()
    _follow(workflow, workflow.nodes[0], path=(), proved=False, seen=seen)
    if unreached := [node.name for node in workflow.nodes if node.name not in seen]:
        raise WorkflowInvalid(f"Nothing leads to the node {unreached[0]!r}.")


def _check_nodes(workflow: Workflow) -> None:
    names = [node.name for node in workflow.nodes]
    if not names or len(names) > MAX_NODES:
        raise WorkflowInvalid(f"A workflow has 1 to {MAX_NODES} nodes.")
    for name in names:
        if not NODE_NAME.fullmatch(name) or name == END or names.count(name) > 1:
            raise WorkflowInvalid(f"Node {name!r} needs a name of its own: a-z, 0-9 and dashes, not 'end'.")
    if workflow.nodes[0].phase is not Phase.PREPARE:
        raise WorkflowInvalid("The first node is of the phase prepare.")


def _check_edges(workflow: Workflow) -> None:
    targets = {END, *(node.name for node in workflow.nodes)}
    for node in workflow.nodes:
        if unknown := [target for target in node.next.values() if target not in targets]:
            raise WorkflowInvalid(f"Node {node.name!r} leads to {unknown[0]!r}, which is not there.")


def _follow(workflow: Workflow, node: Node, *, path: tuple[str, ...], proved: bool, seen: set[str]) -> None:
    """Walk every way from ``node``; ``proved`` says that the work has been verified on this way."""
    if node.name in path:
        raise WorkflowInvalid(f"The nodes {', '.join((*path, node.name))} go round in a circle.")
    seen.add(node.name)
    if node.kind is NodeKind.PUBLISH and not proved:
        raise WorkflowInvalid(f"Node {node.name!r} would publish what no node before it verified.")
    # No phase leads back to one that changes files, so what is proved stays so.
    proved = proved or node.kind is NodeKind.VERIFY
    targets = {node.next.get(NodeOutcome.PASSED, END), *node.next.values()}
    for target in targets:
        following = None if target == END else workflow.node(target)
        _check_step(node, following)
        if following is not None:
            _follow(workflow, following, path=(*path, node.name), proved=proved, seen=seen)


def _check_step(node: Node, following: Node | None) -> None:
    """The table of the execution's states decides which phase may follow which, here as everywhere."""
    state = PHASE_STATES[node.phase]
    if following is None:
        legal = (state, ExecutionEvent.SUCCEED) in EXECUTION_TRANSITIONS
        if not legal:
            raise WorkflowInvalid(f"A walk can't end after node {node.name!r}, in the phase {node.phase}.")
        return
    event = PHASE_EVENTS[following.phase]
    if following.phase is not node.phase and (state, event) not in EXECUTION_TRANSITIONS:
        raise WorkflowInvalid(
            f"Node {following.name!r} of the phase {following.phase} can't follow {node.name!r}."
        )
    if following.kind is NodeKind.APPROVAL and (state, ExecutionEvent.ASK) not in EXECUTION_TRANSITIONS:
        raise WorkflowInvalid(f"Nobody can be asked in the phase {node.phase}, after node {node.name!r}.")


def _check_names(workflow: Workflow, added: Sequence[AddedNode]) -> None:
    known = {node.name for node in workflow.nodes}
    names = [one.name for one in added]
    for one in added:
        if one.name in known or names.count(one.name) > 1:
            raise WorkflowInvalid(f"There are two nodes {one.name!r}: give each a name of its own.")
        if one.after not in known and one.after not in names:
            choices = ", ".join([node.name for node in workflow.nodes])
            raise WorkflowInvalid(f"Node {one.name!r} is after an unknown {one.after!r}: choose {choices}.")
        if one.kind not in ADDABLE:
            raise WorkflowInvalid(f"A project adds nodes of the kinds {', '.join(ADDABLE)}, not {one.kind}.")


def _in_order(known: Mapping[str, Node], added: Sequence[AddedNode]) -> Iterator[tuple[AddedNode, str]]:
    """Each node and the one to put it right behind, so that what it is after is there already."""
    left = list(added)
    last: dict[str, str] = {}
    while left:
        ready = next((one for one in left if one.after in known), None)
        if ready is None:
            raise WorkflowInvalid(f"The nodes {', '.join(one.name for one in left)} wait for each other.")
        left.remove(ready)
        yield ready, last.get(ready.after, ready.after)
        last[ready.after] = ready.name


def _placed(one: AddedNode, before: Node) -> Node:
    if before.phase is Phase.PUBLISH:
        raise WorkflowInvalid(
            f"Node {one.name!r} can't be after {before.name!r}, which publishes: put it earlier."
        )
    phase = before.phase
    if one.kind is NodeKind.AGENT:
        if phase not in _WORKING_COPY:
            raise WorkflowInvalid(
                f"Node {one.name!r} is an agent's, which must be verified: put it before {before.name!r}."
            )
        phase = Phase.IMPLEMENT
    passed = before.next.get(NodeOutcome.PASSED, END)
    edges = {NodeOutcome.PASSED: passed}
    if one.settings.get("required") is False:
        edges[NodeOutcome.FAILED] = passed
    return Node(one.name, one.kind, phase, edges, one.limit_seconds, one.retries, one.settings)


def _rerouted(before: Node, name: str) -> dict[NodeOutcome, str]:
    """No way round the new node: every edge that led where ``passed`` led now leads to it."""
    passed = before.next.get(NodeOutcome.PASSED, END)
    return {
        **{outcome: name if target == passed else target for outcome, target in before.next.items()},
        NodeOutcome.PASSED: name,
    }
