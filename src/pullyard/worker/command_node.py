"""The node that runs one command of a project's own, in a sandbox.

Up to the phase implement it runs in the agent's working copy and may change files. Later it runs on a fresh
checkout of exactly the commit that will be published, set up as for verification; what it writes is dropped.
"""

import time

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeOutcome, works_last
from pullyard.protocol.worker import CommandResult
from pullyard.worker.context import Context
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.open_sandbox import clean_checkouts, opened_sandbox, working_copies
from pullyard.worker.prepare import set_up
from pullyard.worker.run_command import describe, reason_of, run_command
from pullyard.worker.take_work import take_work
from pullyard.worker.verify import clean_checkout
from pullyard.worker.walk import limit_seconds


async def run_command_node(context: Context, node: Node) -> NodeOutcome:
    """Raises PhaseFailed where the command does not pass."""
    context.log(node.phase).line(f"Step {node.name} begins.")
    if node.phase in (Phase.PREPARE, Phase.IMPLEMENT):
        return await run_in_working_copy(context, node)
    for copy in context.copies:
        copy.checkout = await clean_checkout(context, copy)
    async with opened_sandbox(context, *clean_checkouts(context)) as sandbox:
        log, limits = context.log(node.phase), context.grant.limits
        await set_up(context, sandbox, log, time.monotonic() + limits.prepare_seconds)
        result = await run_command(
            sandbox, argv_of(node), log, deadline(context, node), network=context.network
        )
    judge(context, node, result)
    return NodeOutcome.PASSED


async def run_in_working_copy(context: Context, node: Node) -> NodeOutcome:
    async with opened_sandbox(context, *working_copies(context)) as sandbox:
        log = context.log(node.phase)
        result = await run_command(
            sandbox, argv_of(node), log, deadline(context, node), network=context.network
        )
        judge(context, node, result)
        if not works_last(context.workflow, node):
            return NodeOutcome.PASSED
        return await take_work(context, sandbox)


def argv_of(node: Node) -> list[str]:
    return [str(word) for word in node.settings["argv"]]


def deadline(context: Context, node: Node) -> float:
    return time.monotonic() + limit_seconds(node, context.grant.limits)


def judge(context: Context, node: Node, result: CommandResult) -> None:
    context.record.nodes[-1].facts["exit_code"] = result.exit_code
    if result.outcome == "passed":
        return
    failed = Reason.PHASE_TIMED_OUT if result.outcome == "timed-out" else Reason.COMMAND_FAILED
    raise PhaseFailed(reason_of(result, failed), f"The step '{node.name}' failed: {describe(result)}")
