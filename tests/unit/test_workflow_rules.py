"""Graphs of nodes: what is refused, and what holds for everything that is not."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pullyard.lifecycle.execution import EXECUTION_TRANSITIONS, PHASE_EVENTS, PHASE_STATES, Phase
from pullyard.lifecycle.workflow_rules import AddedNode, WorkflowInvalid, check_workflow, extend
from pullyard.lifecycle.workflows import (
    CODE_CHANGE,
    END,
    WORKFLOWS,
    Node,
    NodeKind,
    NodeOutcome,
    Workflow,
    following,
    leads_on,
    works_last,
)

PASSED, FAILED = NodeOutcome.PASSED, NodeOutcome.FAILED
names = st.sampled_from(["a", "b", "c", "d", "prepare", "implement", "verify", "publish"])
added_nodes = st.lists(
    st.builds(
        AddedNode,
        name=names,
        after=names,
        kind=st.sampled_from(list(NodeKind)),
        settings=st.sampled_from([{}, {"required": False}]),
    ),
    max_size=5,
)


def walks(workflow: Workflow, node: Node, done: tuple[Node, ...] = ()) -> Iterator[tuple[Node, ...]]:
    """Every way through the graph that ends well."""
    for outcome in NodeOutcome:
        if leads_on(node, outcome):
            after = following(workflow, node, outcome)
            if after is None:
                yield (*done, node)
            else:
                yield from walks(workflow, after, (*done, node))


@settings(max_examples=300, deadline=None)
@given(workflow=st.sampled_from(list(WORKFLOWS.values())), added=added_nodes)
def test_whatever_is_taken_proves_all_that_it_publishes(workflow: Workflow, added: list[AddedNode]) -> None:
    try:
        extended = extend(workflow, added)
    except WorkflowInvalid:
        return
    assert {one.name for one in added} <= {node.name for node in extended.nodes}
    for walk in walks(extended, extended.nodes[0]):
        kinds = [node.kind for node in walk]
        for before, after in pairwise(walk):
            event = PHASE_EVENTS[after.phase]
            legal = (PHASE_STATES[before.phase], event) in EXECUTION_TRANSITIONS
            assert before.phase is after.phase or legal
        if NodeKind.PUBLISH in kinds:
            proof = kinds.index(NodeKind.VERIFY)
            assert proof < kinds.index(NodeKind.PUBLISH)
            assert not any(node.phase in (Phase.PREPARE, Phase.IMPLEMENT) for node in walk[proof:])
            # No way to publish goes round what a project demands.
            assert {one.name for one in added if one.settings.get("required", True)} <= {
                node.name for node in walk
            }


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=lambda one: one.name)
def test_the_built_in_ones_keep_to_the_rules(workflow: Workflow) -> None:
    check_workflow(workflow)


def test_nodes_after_the_same_one_run_in_the_order_of_the_list() -> None:
    added = [AddedNode(name, "implement", NodeKind.COMMAND) for name in ("one", "two", "three")]
    extended = extend(CODE_CHANGE, added)
    assert [node.name for node in extended.nodes][2:5] == ["one", "two", "three"]
    assert [works_last(extended, node) for node in extended.nodes[1:5]] == [False, False, False, True]


def test_a_step_that_is_not_required_goes_on_where_it_fails() -> None:
    extended = extend(
        CODE_CHANGE, [AddedNode("lint", "verify", NodeKind.COMMAND, settings={"required": False})]
    )
    assert extended.node("lint").next == {PASSED: "protected-paths", FAILED: "protected-paths"}


def test_no_edge_leads_round_an_added_node() -> None:
    lenient = Workflow(
        "lenient",
        (
            Node("prepare", NodeKind.PREPARE, Phase.PREPARE, {PASSED: "work"}),
            Node("work", NodeKind.AGENT, Phase.IMPLEMENT, {PASSED: "verify"}),
            Node("verify", NodeKind.VERIFY, Phase.VERIFY, {PASSED: "publish", FAILED: "publish"}),
            Node("publish", NodeKind.PUBLISH, Phase.PUBLISH),
        ),
    )
    extended = extend(lenient, [AddedNode("look", "verify", NodeKind.APPROVAL)])
    assert extended.node("verify").next == {PASSED: "look", FAILED: "look"}


def node(name: str, kind: NodeKind, phase: Phase, after: str = END) -> Node:
    return Node(name, kind, phase, {PASSED: after})


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((), "1 to 50 nodes"),
        ((node("work", NodeKind.AGENT, Phase.IMPLEMENT),), "phase prepare"),
        ((node("a", NodeKind.PREPARE, Phase.PREPARE, "b"),), "not there"),
        ((node("a", NodeKind.PREPARE, Phase.PREPARE, "a"),), "circle"),
        ((node("end", NodeKind.PREPARE, Phase.PREPARE),), "name of its own"),
        ((node("a", NodeKind.PREPARE, Phase.PREPARE),), "can't end"),
        (
            (
                node("a", NodeKind.PREPARE, Phase.PREPARE, "b"),
                node("b", NodeKind.AGENT, Phase.IMPLEMENT, "c"),
                node("c", NodeKind.COMMAND, Phase.VERIFY, "d"),
                node("d", NodeKind.PUBLISH, Phase.PUBLISH),
            ),
            "no node before it verified",
        ),
        (
            (
                node("a", NodeKind.PREPARE, Phase.PREPARE, "b"),
                node("b", NodeKind.VERIFY, Phase.VERIFY),
            ),
            "can't follow",
        ),
        (
            (
                node("a", NodeKind.PREPARE, Phase.PREPARE, "b"),
                node("b", NodeKind.AGENT, Phase.IMPLEMENT),
                node("c", NodeKind.AGENT, Phase.IMPLEMENT),
            ),
            "Nothing leads",
        ),
    ],
)
def test_a_graph_that_can_not_be_walked_is_refused(nodes: tuple[Node, ...], said: str) -> None:
    with pytest.raises(WorkflowInvalid, match=said):
        check_workflow(Workflow("x", nodes))
