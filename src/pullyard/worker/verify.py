"""The phase that proves the work: the base branch's commands on a fresh checkout of exactly its commit."""

import time

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.protocol.worker import CommandResult, Receipt
from pullyard.sandboxes.protocol import Sandbox, Workspace
from pullyard.worker.base_files import read_file, top_names
from pullyard.worker.context import VERIFY_DIRECTORY, Context
from pullyard.worker.detect import NOTHING, Detected, detect
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.open_sandbox import opened_sandbox
from pullyard.worker.prepare import set_up, start_of
from pullyard.worker.run_command import describe, run_command
from pullyard.worker.take_work import HARVEST

TOP_FILE_BYTES = 1 << 20


async def verify(context: Context, node: Node) -> NodeOutcome:
    """Leave a receipt in the record. Raises PhaseFailed where a command failed; skipping is no failure."""
    del node
    record = context.record
    began = time.monotonic()
    chosen = await choose_commands(context)
    workspace = await clean_checkout(context)
    results: list[CommandResult] = []
    async with opened_sandbox(context, workspace) as sandbox:
        if chosen.commands:
            results = await run_all(context, sandbox, chosen, began)
    if chosen.warning:
        context.log(Phase.VERIFY).line(f"Skipped. {chosen.warning}")
    record.receipt = make_receipt(context, sandbox, chosen, results, time.monotonic() - began)
    judge(record.receipt)
    return NodeOutcome.PASSED


async def clean_checkout(context: Context) -> Workspace:
    """A fresh working copy of exactly the harvested commit, whatever an earlier one has become."""
    harvested = context.record.harvested
    assert harvested is not None
    return await context.tools.workspaces.verification(
        context.mirror,
        context.directory / HARVEST,
        start_of(context),
        harvested.commit,
        context.directory / VERIFY_DIRECTORY,
        context.uid,
    )


async def run_all(context: Context, sandbox: Sandbox, chosen: Detected, began: float) -> list[CommandResult]:
    """Every command up to the first that does not pass, within the phase's time limit."""
    log = context.log(Phase.VERIFY)
    deadline = began + context.grant.limits.verify_seconds
    await set_up(context, sandbox, log, time.monotonic() + context.grant.limits.prepare_seconds)
    results: list[CommandResult] = []
    for argv in chosen.commands:
        results.append(await run_command(sandbox, argv, log, deadline))
        if results[-1].outcome != "passed":
            break
    return results


def make_receipt(
    context: Context, sandbox: Sandbox, chosen: Detected, results: list[CommandResult], seconds: float
) -> Receipt:
    record = context.record
    assert record.harvested is not None
    assert record.base_commit is not None
    return Receipt(
        commit=record.harvested.commit,
        tree=record.harvested.tree,
        base_commit=record.base_commit,
        commands=results,
        passed=bool(results) and all(result.outcome == "passed" for result in results),
        seconds=round(seconds, 3),
        sandbox={"name": sandbox.name, "own_account": context.uid is not None},
        warning=chosen.warning,
    )


def judge(receipt: Receipt) -> None:
    """Raises PhaseFailed unless every command passed; nothing to run is no failure but a warning."""
    if receipt.passed or not receipt.commands:
        return
    last = receipt.commands[-1]
    reason = Reason.VERIFY_TIMED_OUT if last.outcome == "timed-out" else Reason.VERIFY_FAILED
    raise PhaseFailed(reason, f"Verification failed: {describe(last)}")


async def choose_commands(context: Context) -> Detected:
    """The task's or the project's commands, else what the base branch's files tell."""
    given = context.grant.verify_commands
    if given is not None:
        return Detected(given, source="configured", warning=None if given else NOTHING.warning)
    base_commit = context.record.base_commit
    assert base_commit is not None
    git, mirror = context.tools.git, context.mirror.path

    async def read(path: str) -> bytes | None:
        return await read_file(git, mirror, base_commit, path, TOP_FILE_BYTES)

    return await detect(await top_names(git, mirror, base_commit), read)
