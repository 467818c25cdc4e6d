"""The real engine over a workflow that it has never seen, with handlers that only answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflow_rules import check_workflow
from pullyard.lifecycle.workflows import END, Node, NodeKind, NodeOutcome, Workflow
from pullyard.telemetry.tracer import NoTracer, Tracer
from pullyard.worker.context import Context, Tools
from pullyard.worker.failures import PhaseFailed, Stopped
from pullyard.worker.journal import Journal
from pullyard.worker.settings import WorkerSettings
from pullyard.worker.stop import Stop
from pullyard.worker.walk import MAX_INTERRUPTIONS, Effects, Walk
from tests.unit.test_worker_journal import GRANT

PASSED, FAILED = NodeOutcome.PASSED, NodeOutcome.FAILED
# All that is new about it stands here: the engine is told nothing else.
NEW = Workflow(
    "triage",
    (
        Node("prepare", NodeKind.PREPARE, Phase.PREPARE, {PASSED: "look"}),
        Node("look", NodeKind.DETECT, Phase.IMPLEMENT, {PASSED: "try", NodeOutcome.UNCHANGED: END}),
        Node("try", NodeKind.COMMAND, Phase.IMPLEMENT, {PASSED: "prove", FAILED: "ask"}, retries=2),
        Node("ask", NodeKind.APPROVAL, Phase.IMPLEMENT, {PASSED: "prove"}),
        Node("prove", NodeKind.VERIFY, Phase.VERIFY, {PASSED: END}, limit_seconds=0.05),
    ),
)


class Killed(BaseException):
    """What the end of a worker is to its engine."""


@dataclass(frozen=True)
class NoTools:
    """All that the engine itself takes of a worker's tools."""

    tracer: Tracer = field(default_factory=NoTracer)
    settings: WorkerSettings = field(default_factory=lambda: WorkerSettings(data_directory=Path()))


@dataclass
class World:
    directory: Path
    workflow: Workflow = NEW
    answers: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    """By node what its attempts do, in order: an outcome, or what is raised; ``passed`` when none is left."""
    walked: list[str] = field(default_factory=list[str])
    told: list[tuple[str, NodeOutcome | None]] = field(default_factory=list[tuple[str, NodeOutcome | None]])

    async def walk(self, *, recovered: bool = False) -> None:
        if recovered:
            (journal,) = Journal.find_all(self.directory)
        else:
            journal = Journal.create(
                self.directory, msgspec.structs.replace(GRANT, workflow=self.workflow), 0
            )
        self.context = Context(tools=cast(Tools, NoTools()), journal=journal, stop=Stop())
        effects = Effects(dict.fromkeys(NodeKind, self.handle), reopen=self.reopen, rescue=self.rescue)
        await Walk(self.context, effects, began=self.tell).run(recovered=recovered)

    async def handle(self, context: Context, node: Node) -> NodeOutcome:
        assert context is self.context
        self.walked.append(node.name)
        left = self.answers.get(node.name, [])
        answer = left.pop(0) if left else PASSED
        if answer == "sleep":
            await asyncio.sleep(30)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def reopen(self, context: Context) -> None:
        assert context is self.context
        self.walked.append("reopened")

    async def rescue(self, context: Context) -> str | None:
        raise AssertionError(context)

    def tell(self) -> None:
        self.told = [(fact.name, fact.outcome) for fact in self.context.record.nodes]

    @property
    def facts(self) -> list[tuple[str, int, NodeOutcome | None]]:
        return [(fact.name, fact.attempt, fact.outcome) for fact in self.context.record.nodes]


@pytest.fixture
def world(tmp_path: Path) -> World:
    check_workflow(NEW)
    return World(tmp_path)


def no() -> PhaseFailed:
    return PhaseFailed(Reason.COMMAND_FAILED, "It does not pass.")


async def test_a_new_workflow_is_walked_without_a_change_of_the_engine(world: World) -> None:
    await world.walk()
    assert world.walked == ["prepare", "look", "try", "prove"]
    assert world.told[-1] == ("prove", None)
    assert [fact.place for fact in world.context.record.nodes] == [0, 1, 2, 3]


async def test_an_outcome_chooses_the_way(world: World) -> None:
    world.answers = {"look": [NodeOutcome.UNCHANGED]}
    await world.walk()
    assert world.walked == ["prepare", "look"]


async def test_a_failure_is_tried_again_and_then_takes_its_edge(world: World) -> None:
    world.answers = {"try": [no(), no(), no()]}
    await world.walk()
    assert world.walked == ["prepare", "look", "try", "try", "try", "ask", "prove"]
    assert world.facts[2:5] == [("try", 1, FAILED), ("try", 2, FAILED), ("try", 3, FAILED)]


async def test_what_could_not_be_done_takes_no_edge(world: World) -> None:
    world.answers = {"try": [PhaseFailed(Reason.DISK_FULL, "Full.")] * 3}
    with pytest.raises(PhaseFailed, match="Full"):
        await world.walk()
    assert world.context.record.nodes[-1].reason is Reason.DISK_FULL
    assert "ask" not in world.walked


async def test_a_person_who_says_no_ends_it(world: World) -> None:
    world.answers = {"try": [no(), no(), no()], "ask": [NodeOutcome.REJECTED]}
    with pytest.raises(PhaseFailed, match="rejected it at the step 'ask'") as caught:
        await world.walk()
    assert caught.value.reason is Reason.REJECTED


async def test_a_node_that_takes_too_long_is_stopped(world: World) -> None:
    world.answers = {"prove": ["sleep"]}
    with pytest.raises(PhaseFailed, match=r"limit of 0\.05 seconds") as caught:
        await world.walk()
    assert caught.value.reason is Reason.VERIFY_TIMED_OUT
    assert world.context.record.phase_seconds["verify"] >= 0.05


async def test_a_stop_is_written_on_the_node_that_it_met(world: World) -> None:
    world.answers = {"try": [Stopped(Reason.CANCELLED, "Enough.")]}
    with pytest.raises(Stopped):
        await world.walk()
    last = world.context.record.nodes[-1]
    assert (last.name, last.outcome, last.reason) == ("try", FAILED, Reason.CANCELLED)


@pytest.mark.parametrize("name", [node.name for node in NEW.nodes])
async def test_a_killed_walk_is_taken_up_at_the_node_it_was_at(world: World, name: str) -> None:
    before: Callable[[], list[Any]] = lambda: [no(), no(), no()]  # noqa: E731
    world.answers = {"try": before(), name: [Killed()]} if name != "try" else {name: [Killed()]}
    with pytest.raises(Killed):
        await world.walk()
    done = len(world.walked)
    await world.walk(recovered=True)
    again = world.walked[done:]
    assert again[0] == (name if name == "prepare" else "reopened")
    assert name in again[:2]
    assert "prove" in again
    interrupted = [fact for fact in world.context.record.nodes if fact.reason is Reason.INTERRUPTED]
    # A question that is open stays the same one; every other node is attempted anew.
    if name == "ask":
        assert ("ask", 1, PASSED) in world.facts
    assert [fact.name for fact in interrupted] == ([] if name == "ask" else [name])


async def test_an_agent_is_not_taken_up_again(world: World) -> None:
    agent = Node("work", NodeKind.AGENT, Phase.IMPLEMENT, {PASSED: END})
    first = Node("prepare", NodeKind.PREPARE, Phase.PREPARE, {PASSED: "work"})
    world.workflow = Workflow("short", (first, agent))
    world.answers = {"work": [Killed()]}
    with pytest.raises(Killed):
        await world.walk()
    with pytest.raises(Stopped) as caught:
        await world.walk(recovered=True)
    assert caught.value.reason is Reason.INTERRUPTED


async def test_a_node_that_ends_every_worker_is_given_up(world: World) -> None:
    world.answers = {"try": [Killed() for _ in range(50)]}
    with pytest.raises(Killed):
        await world.walk()
    for _ in range(MAX_INTERRUPTIONS):
        with pytest.raises(Killed):
            await world.walk(recovered=True)
    with pytest.raises(Stopped, match="too often"):
        await world.walk(recovered=True)


async def test_a_workflow_that_could_not_be_put_together_says_so(world: World) -> None:
    world.workflow = Workflow("triage", ())
    with pytest.raises(PhaseFailed, match="pullyard project steps") as caught:
        await world.walk()
    assert caught.value.reason is Reason.POLICY_REFUSED
