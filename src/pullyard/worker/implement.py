"""The phase in which the agent works, and after which its work is taken out of the sandbox."""

import asyncio
import os
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import msgspec

from pullyard.agents.protocol import TASK_DIRECTORY, Agent, Invocation, Question, Verdict
from pullyard.agents.registry import AGENTS
from pullyard.agents.relocate import relocate
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import CHOICES, Node, NodeKind, NodeOutcome, works_last
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import Answer, RepositoryPlace, TaskBrief, Usage
from pullyard.sandboxes.protocol import Command, Mount, Process, Sandbox
from pullyard.worker.agent_output import AgentOutput
from pullyard.worker.agent_questions import AgentQuestions
from pullyard.worker.conflicts import conflicts_text
from pullyard.worker.context import Context
from pullyard.worker.disk import has_room
from pullyard.worker.failures import PhaseFailed, disk_full
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.upstream import Upstream
from pullyard.worker.gateway.windows import QuotaReached
from pullyard.worker.network import Model, Network
from pullyard.worker.open_sandbox import opened_sandbox, working_copies
from pullyard.worker.programs.shelf import shelf_in
from pullyard.worker.run_command import RAISE_LIMIT, limits_met
from pullyard.worker.take_work import agent_of, take_work

SCRAP_BYTES = 1 << 20


async def implement(context: Context, node: Node) -> NodeOutcome:
    """Run the agent; the last to work harvests. Raises PhaseFailed with the agent's verdict.

    An agent that ended only to ask a person is run again with the answer.
    """
    questions = AgentQuestions(context, node)
    while True:
        await questions.wait()
        outcome = await work(context, node, questions)
        if isinstance(outcome, NodeOutcome):
            return outcome
        questions.keep(outcome)


async def work(context: Context, node: Node, questions: AgentQuestions) -> NodeOutcome | Question:
    spec = agent_of(context, node)
    agent = make_agent(spec.name)
    spent = context.record.usage
    ledger = Ledger(
        left_of(own_bound(context), spent),
        share=context.share,
        windows=context.tools.windows,
        execution_id=context.grant.execution_id,
    )
    context.share.begin(spent, ledger.usage)
    workspace, mounts = working_copies(context)
    sandbox = context.sandbox(workspace, mounts)
    invocation = agent.invocation(
        await questions.brief(told(context, node, sandbox)),
        spec.settings,
        inside=Path(sandbox.inside("")),
        gateway_port=context.network.port,
    )
    async with AsyncExitStack() as stack:
        shelf = shelf_in(context.tools.settings.data_directory)
        invocation = stack.enter_context(shelf.supplied(invocation))
        # The harvest has the agent's sandbox again: it is a process of its own there, with a fresh /tmp.
        shown = working_copies(context, mounts_of(context, invocation))
        sandbox = await stack.enter_async_context(opened_sandbox(context, *shown, reused=True))
        try:
            exit_code, exceeded = await run_agent(context, sandbox, agent, invocation, ledger)
        finally:
            # Spent is spent, also by an agent that was stopped. The gateway's count is taken from the
            # provider's answers; an agent's own is only its word, and what it prints spends no budget.
            context.record.usage = spent.plus(agent.usage if invocation.gateway is None else ledger.usage)
            context.share.end(context.record.usage)
            tell_costs(context, agent.name, ledger)
            if ledger.limited is not None:
                context.quota_seconds = ledger.limited.seconds_left() or 0.0
        verdict = agent.end(exit_code)
        judge(context, verdict, ledger.verdict(), exceeded)
        await context.share.withdraw()
        if verdict.question is not None:
            return verdict.question
        if not works_last(context.workflow, node):
            return NodeOutcome.PASSED
        return await take_work(context, sandbox)


def tell_costs(context: Context, agent: str, ledger: Ledger) -> None:
    """Whose work it was, for the report of costs: the first agent's, and each model's."""
    context.facts.setdefault("agent", agent)
    models: list[dict[str, Any]] = context.facts.setdefault("models", [])
    for (provider, model), used in ledger.sources.items():
        models.append({"provider": provider, "model": model, **msgspec.to_builtins(used)})


def told(context: Context, node: Node, sandbox: Sandbox) -> TaskBrief:
    """The task as this node's agent is told it: instructions, answers, and where the repositories are."""
    answers = [
        Answer(question=str(fact.facts["question"]), answer=str(fact.facts["answer"]))
        for fact in context.record.nodes
        if fact.kind is NodeKind.APPROVAL and fact.facts.get("answer", "") not in ("", *CHOICES)
    ]
    instructions = [str(node.settings.get("prompt", "")), conflicts_text(context)]
    places = [
        RepositoryPlace(name=copy.name, path=sandbox.path_of(copy.inside))
        for copy in context.copies
        if copy.name is not None
    ]
    return msgspec.structs.replace(
        context.grant.task,
        instructions="\n\n".join(filter(None, instructions)),
        answers=answers,
        repositories=places,
    )


def own_bound(context: Context) -> int | None:
    """What the coordinator can't raise: its owner's policy, and what is signed. The rest it tells itself."""
    sent, allowed = context.record.grant, context.grant
    cut = allowed.task.budget_micros != sent.task.budget_micros
    return allowed.task.budget_micros if cut or sent.signature is not None else None


def left_of(budget_micros: int | None, spent: Usage) -> int | None:
    return None if budget_micros is None else max(0, budget_micros - spent.cost_micros)


def judge(context: Context, verdict: Verdict, measured: Verdict, exceeded: str) -> None:
    """Raises PhaseFailed for an agent that failed; what was measured outside explains it better.

    ``exceeded`` are the sandbox's limits that it ran into: an agent may well go on after that.
    """
    if verdict.reason is not None and measured.reason is not None:
        verdict = measured
    if verdict.reason is not None and not has_room(context.directory, SCRAP_BYTES):
        # Whatever the agent says it died of, nobody can work without room.
        raise disk_full()
    if verdict.reason is not None and measured.reason is None and exceeded:
        raise PhaseFailed(Reason.LIMIT_REACHED, f"The agent was ended by a limit. {exceeded} {RAISE_LIMIT}")
    if verdict.reason is not None:
        raise PhaseFailed(verdict.reason, verdict.message)


def make_agent(name: str) -> Agent:
    if name not in AGENTS:
        raise RequestError(f"This worker has no agent '{name}': choose one of {', '.join(AGENTS)}.")
    return AGENTS[name]()


def mounts_of(context: Context, invocation: Invocation) -> list[Mount]:
    files = write_files(context.directory / "task", invocation.files)
    programs = [Mount(outside, seen) for seen, outside in invocation.programs.items()]
    return [Mount(files, TASK_DIRECTORY), *programs]


async def run_agent(
    context: Context, sandbox: Sandbox, agent: Agent, invocation: Invocation, ledger: Ledger
) -> tuple[int, str]:
    """The agent's exit code, and the limits that it ran into.

    However this ends, nothing of the agent runs any more afterwards.
    """
    model = None
    if invocation.gateway is not None:
        upstream = await context.tools.sealed_keys.for_execution(
            context.tools.client, context.record.grant, context.tools.upstream, invocation.gateway
        )
        check_model(upstream, invocation.gateway)
        await wait_for_quota(upstream, invocation.gateway, ledger)
        model = Model(invocation.gateway, upstream, ledger)
    context.log(Phase.IMPLEMENT).line(f"The agent {agent.name} begins.")
    async with AsyncExitStack() as stack:
        output = AgentOutput(context, agent)
        process = await start(sandbox, relocate(invocation, sandbox.path_of), output, context.network)
        stack.push_async_callback(process.kill)
        log = context.log(Phase.IMPLEMENT)
        await stack.enter_async_context(context.network.serving(process, log, model))
        exit_code = await until_over(output.follow(process), ledger)
        exceeded = limits_met(sandbox, process, exit_code)
        if exceeded:
            log.line(exceeded)
        return exit_code, exceeded


async def until_over(following: Coroutine[Any, Any, int], ledger: Ledger) -> int:
    """Raises PhaseFailed once nobody adds to a budget that is spent: the agent may go on for ever."""
    doing, over = asyncio.ensure_future(following), asyncio.ensure_future(ledger.over.wait())
    try:
        await asyncio.wait({doing, over}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        verdict = ledger.verdict()
        raise PhaseFailed(verdict.reason or Reason.BUDGET_SPENT, verdict.message)
    finally:
        doing.cancel()
        over.cancel()
        await asyncio.gather(doing, over, return_exceptions=True)


def check_model(upstream: Upstream, name: str) -> None:
    """Raises PhaseFailed where the agent would have nobody to ask."""
    try:
        missing = upstream.missing(upstream.provider(name))
    except RequestError as error:
        missing = str(error)
    if missing:
        raise PhaseFailed(Reason.AGENT_MISSING, missing)


async def wait_for_quota(upstream: Upstream, name: str, ledger: Ledger) -> None:
    """Not to start an agent whose first request would wait. Raises PhaseFailed where that takes too long."""
    try:
        await ledger.passes(upstream.credential(upstream.provider(name)))
    except QuotaReached:
        verdict = ledger.verdict()
        raise PhaseFailed(verdict.reason or Reason.QUOTA_REACHED, verdict.message) from None


def write_files(directory: Path, files: Mapping[str, bytes]) -> Path:
    """The task's files in a directory that the sandbox sees read-only."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    for name, content in files.items():
        path = directory / Path(name).name
        # An earlier agent's file can't be written to by its own account.
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(0o444)
    return directory


async def start(sandbox: Sandbox, invocation: Invocation, output: AgentOutput, network: Network) -> Process:
    with ExitStack() as opened:
        stdout = output.descriptor()
        opened.callback(os.close, stdout)
        stdin = None
        if invocation.stdin is not None:
            stdin = os.memfd_create("stdin")
            opened.callback(os.close, stdin)
            os.write(stdin, invocation.stdin)
            os.lseek(stdin, 0, os.SEEK_SET)
        return await sandbox.start(
            Command(
                argv=invocation.argv,
                environment={**network.environment, **invocation.environment},
                stdin=stdin,
                stdout=stdout,
                listen_port=network.port,
            )
        )
