"""The engine: walks an execution's workflow node by node, and knows kinds of nodes but no workflow.

Each step is in the journal before it begins, so a worker that was killed goes on at the node it was at.
"""

import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from pullyard.agents.protocol import AgentMissing
from pullyard.lifecycle.reasons import REASONS, Reason
from pullyard.lifecycle.workflows import (
    CONFLICTS,
    PROTECTED,
    Node,
    NodeKind,
    NodeOutcome,
    following,
    leads_on,
    walked_only,
)
from pullyard.protocol.errors import PullyardError
from pullyard.protocol.worker import NodeFact, PhaseLimits
from pullyard.sandboxes.protocol import SandboxUnavailable
from pullyard.worker.context import Context
from pullyard.worker.failures import PhaseFailed, Stopped, as_failure

Handler = Callable[[Context, Node], Coroutine[Any, Any, NodeOutcome]]
"""Does what a kind of node is there for, and may be called again after any crash. Raises as phases do."""


async def open_gate(context: Context, node: Node) -> NodeOutcome:
    del context, node
    return NodeOutcome.PASSED


@dataclass(frozen=True)
class Effects:
    """All that an execution does to the world, so that a simulation can walk the real engine without one."""

    handlers: Mapping[NodeKind, Handler]
    reopen: Callable[[Context], Coroutine[Any, Any, None]]
    """After a restart: makes the context ready for any node but one that prepares. Repeatable."""
    rescue: Callable[[Context], Coroutine[Any, Any, str | None]]
    """Before a teardown: keeps unfinished work; the salvage reference, None for none. Repeatable."""
    gate: Handler = open_gate
    """Before each attempt and outside of its time limit: ``rejected`` where a person said no to it."""


logger = structlog.get_logger(__name__)

FAILURES = (PullyardError, AgentMissing, SandboxUnavailable, OSError)
MAX_INTERRUPTIONS = 5
"""A node that was under way at so many ends of the worker is taken to be their cause."""
APPROVAL_SECONDS = 7 * 86_400.0
ASKING = "asking"
"""In a node's facts while its gate waits for a person: a restart then goes on with the same attempt."""

_TIMEOUTS = {
    NodeKind.AGENT: Reason.AGENT_TIMED_OUT,
    NodeKind.VERIFY: Reason.VERIFY_TIMED_OUT,
    NodeKind.APPROVAL: Reason.UNANSWERED,
}
# The node did its work and the answer is no; every other failure says that it could not be done.
_SAID_NO = frozenset(
    {
        Reason.AGENT_FAILED,
        Reason.AGENT_TIMED_OUT,
        Reason.COMMAND_FAILED,
        Reason.VERIFY_FAILED,
        Reason.VERIFY_TIMED_OUT,
        Reason.PHASE_TIMED_OUT,
    }
)
_DEAD_ENDS = {
    NodeOutcome.UNCHANGED: (Reason.NO_CHANGE, "The agent ended without changing any file."),
    NodeOutcome.REJECTED: (Reason.REJECTED, "A person rejected it at the step '{}'."),
}


class Walk:
    """``began`` is called when a node begins, after that is in the journal."""

    def __init__(self, context: Context, effects: Effects, *, began: Callable[[], None]) -> None:
        self._context = context
        self._effects = effects
        self._began = began
        self._workflow = context.workflow

    async def run(self, *, recovered: bool) -> None:
        """To a good end. Raises Stopped, and what the node raised that the walk can't go on after."""
        if not self._workflow.nodes:
            raise PhaseFailed(
                Reason.POLICY_REFUSED,
                f"The workflow '{self._workflow.name}' can't be walked with this project's own steps: "
                "look at them with 'pullyard project steps'.",
            )
        first = self._workflow.nodes[0]
        node: Node | None = await self._take_up(first) if recovered else first
        while node is not None:
            outcome = await self._settle(node)
            if not leads_on(node, outcome):
                reason, sentence = _DEAD_ENDS[outcome]
                raise PhaseFailed(reason, sentence.format(node.name))
            node = self._after(node, outcome)

    def _after(self, node: Node, outcome: NodeOutcome) -> Node | None:
        """The next node that is due; one whose condition is not met leaves no trace."""
        after = following(self._workflow, node, outcome)
        while after is not None and not is_due(self._context, after):
            after = following(self._workflow, after, NodeOutcome.PASSED)
        return after

    async def _take_up(self, first: Node) -> Node:
        """The node that a killed worker was at; ``first`` where it had begun none."""
        facts = self._context.record.nodes
        if not facts and self._context.record.base_commit is not None:
            raise Stopped(Reason.INTERRUPTED, "The worker was restarted, and is of another version now.")
        if not facts:
            return first
        last = facts[-1]
        node = self._workflow.node(last.name)
        if node.kind is NodeKind.AGENT and ASKING not in last.facts:
            # What an agent was told and did is lost with its process; its files are salvaged.
            raise Stopped(Reason.INTERRUPTED, "The worker was restarted while the agent was at work.")
        if self._interruptions(node) >= MAX_INTERRUPTIONS:
            raise Stopped(Reason.INTERRUPTED, f"The worker ended too often during the step '{node.name}'.")
        if last.outcome is None and node.kind is not NodeKind.APPROVAL and ASKING not in last.facts:
            _close(last, NodeOutcome.FAILED, Reason.INTERRUPTED, "The worker was restarted.")
        if node.kind is not NodeKind.PREPARE:
            await self._context.stop.race(self._effects.reopen(self._context))
        return node

    def _interruptions(self, node: Node) -> int:
        facts = self._context.record.nodes
        return sum(fact.reason is Reason.INTERRUPTED for fact in facts if fact.name == node.name)

    def _begins_again(self, node: Node, reason: Reason) -> bool:
        """Whether the node is begun again as after a restart: what it ran on was taken from under it."""
        interrupted = reason is Reason.INTERRUPTED and node.kind is not NodeKind.AGENT
        return interrupted and self._interruptions(node) < MAX_INTERRUPTIONS

    async def _settle(self, node: Node) -> NodeOutcome:
        """Attempt the node as often as it may be; its outcome, or the last attempt's failure."""
        failed = 0
        while True:
            fact = self._begin(node)
            try:
                fact.outcome = await self._context.stop.race(self._effects.gate(self._context, node))
                if fact.outcome is NodeOutcome.REJECTED:
                    return fact.outcome
                fact.outcome = None
                return await self._attempt(node, fact)
            except Stopped as stopped:
                _close(fact, NodeOutcome.FAILED, stopped.reason, stopped.message)
                raise
            except FAILURES as error:
                failure = as_failure(error)
                _close(fact, NodeOutcome.FAILED, failure.reason, failure.message)
                if self._begins_again(node, failure.reason):
                    self._context.log(node.phase).line(f"{failure.message} Beginning this step again.")
                    continue
                failed += 1
                if failed <= node.retries and REASONS[failure.reason].retryable:
                    self._context.log(node.phase).line(f"{failure.message} Trying again.")
                    continue
                if failure.reason not in _SAID_NO or NodeOutcome.FAILED not in node.next:
                    raise failure from error
                self._context.log(node.phase).line(f"{failure.message} Going on.")
                return NodeOutcome.FAILED

    def _begin(self, node: Node) -> NodeFact:
        record = self._context.record
        if record.nodes and record.nodes[-1].outcome is None and record.nodes[-1].name == node.name:
            # A question that is still open stays the same one.
            fact = record.nodes[-1]
        else:
            attempt = 1 + sum(fact.name == node.name for fact in record.nodes)
            start = self._context.log(node.phase).size_bytes
            place = len(record.nodes)
            fact = NodeFact(name=node.name, kind=node.kind, phase=node.phase, place=place, attempt=attempt)
            fact.facts = {"log_start": start}
            record.nodes = [*record.nodes, fact]
            self._context.journal.save()
        self._began()
        return fact

    async def _attempt(self, node: Node, fact: NodeFact) -> NodeOutcome:
        context = self._context
        limit = limit_seconds(node, context.grant.limits, copies=len(context.copies))
        began = time.monotonic()

        async def limited() -> NodeOutcome:
            async with context.deadline.limit(limit):
                return await self._effects.handlers[node.kind](context, node)

        structlog.contextvars.bind_contextvars(phase=node.phase.value)
        logger.info("step begins", step=node.name, attempt=fact.attempt)
        grant = context.grant
        about = {
            "pullyard.execution_id": grant.execution_id,
            "pullyard.task_id": grant.task.id,
            "pullyard.project_id": grant.project_id,
            "pullyard.phase": node.phase.value,
            "pullyard.attempt": fact.attempt,
        }
        try:
            with context.tools.tracer.span(node.name, context.traceparent, about):
                fact.outcome = await context.stop.race(limited())
        except TimeoutError:
            reason = _TIMEOUTS.get(node.kind, Reason.PHASE_TIMED_OUT)
            message = f"The step '{node.name}' took longer than its limit of {limit:g} seconds."
            raise PhaseFailed(reason, message) from None
        finally:
            fact.seconds = round(time.monotonic() - began, 4)
            spent = context.record.phase_seconds
            spent[node.phase] = round(spent.get(node.phase, 0.0) + fact.seconds, 4)
            fact.facts["log_end"] = context.log(node.phase).size_bytes
        return fact.outcome


def is_due(context: Context, node: Node) -> bool:
    """A condition that this version does not know is taken as met: rather asked too often than not at all."""
    met: dict[str | None, list[str]] = {PROTECTED: context.protected, CONFLICTS: context.conflicts}
    return bool(met.get(walked_only(node), True))


def limit_seconds(node: Node, limits: PhaseLimits, *, copies: int = 1) -> float:
    """``copies`` are the repositories that a verification has to prove one after the other."""
    if node.limit_seconds is not None:
        return node.limit_seconds
    match node.kind:
        case NodeKind.APPROVAL:
            return APPROVAL_SECONDS
        case NodeKind.VERIFY:
            # The commands have the limit for themselves; the checkout before them gets its own time.
            once = limits.verify_seconds * copies + limits.prepare_seconds
            return once * limits.verify_tries
        case _:
            return getattr(limits, f"{node.phase}_seconds")


def _close(fact: NodeFact, outcome: NodeOutcome, reason: Reason | None, message: str) -> None:
    fact.outcome, fact.reason, fact.message = outcome, reason, message
