"""The phase that proves the work: the base branch's commands on a fresh checkout of exactly its commit."""

import time

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.protocol.worker import CommandResult, Receipt
from pullyard.sandboxes.protocol import Sandbox, Workspace
from pullyard.worker.base_files import read_file, top_names
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.detect import NOTHING, Detected, detect
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.open_sandbox import clean_checkouts, opened_sandbox
from pullyard.worker.prepare import set_up, start_of
from pullyard.worker.run_command import describe, run_command

TOP_FILE_BYTES = 1 << 20


async def verify(context: Context, node: Node) -> NodeOutcome:
    """Leave a receipt for every copy that has changed. Raises PhaseFailed where a command failed.

    The commands of one copy see the clean checkouts of all. Skipping is no failure.
    """
    del node
    began = time.monotonic()
    chosen = {copy: await choose_commands(context, copy) for copy in context.changed}
    for copy in context.copies:
        copy.checkout = await clean_checkout(context, copy)
    async with opened_sandbox(context, *clean_checkouts(context)) as sandbox:
        if any(one.commands for one in chosen.values()):
            log = context.log(Phase.VERIFY)
            await set_up(context, sandbox, log, time.monotonic() + context.grant.limits.prepare_seconds)
        for copy, commands in chosen.items():
            results = await run_all(context, copy, sandbox, commands)
            seconds = time.monotonic() - began
            copy.record.receipt = make_receipt(context, copy, sandbox, commands, (results, seconds))
            began = time.monotonic()
    for copy in context.changed:
        judge(copy)
    return NodeOutcome.PASSED


async def clean_checkout(context: Context, copy: Copy) -> Workspace:
    """A fresh working copy of exactly what was harvested, or of the start where nothing was."""
    harvested = copy.record.harvested
    return await context.tools.workspaces.verification(
        copy.mirror,
        copy.harvest,
        start_of(context, copy),
        harvested.commit if harvested else copy.start_commit,
        copy.verify_directory,
        context.uid,
    )


async def run_all(context: Context, copy: Copy, sandbox: Sandbox, chosen: Detected) -> list[CommandResult]:
    """Every command up to the first that does not pass, within the phase's time limit."""
    log = context.log(Phase.VERIFY)
    if copy.name:
        log.line(f"Repository {copy.name}:")
    directory = sandbox.path_of(copy.inside) if copy.name else None
    deadline = time.monotonic() + context.grant.limits.verify_seconds
    results: list[CommandResult] = []
    for argv in chosen.commands:
        ran = run_command(sandbox, argv, log, deadline, network=context.network, directory=directory)
        results.append(await ran)
        if results[-1].outcome != "passed":
            break
    if chosen.warning:
        log.line(f"Skipped. {chosen.warning}")
    return results


def make_receipt(
    context: Context,
    copy: Copy,
    sandbox: Sandbox,
    chosen: Detected,
    ran: tuple[list[CommandResult], float],
) -> Receipt:
    """``ran`` is the commands' results and the seconds that all of it took."""
    results, seconds = ran
    assert copy.record.harvested is not None
    assert copy.record.base_commit is not None
    return Receipt(
        commit=copy.record.harvested.commit,
        tree=copy.record.harvested.tree,
        base_commit=copy.record.base_commit,
        commands=results,
        passed=bool(results) and all(result.outcome == "passed" for result in results),
        seconds=round(seconds, 3),
        sandbox={"name": sandbox.name, "own_account": context.uid is not None},
        warning=chosen.warning,
    )


def judge(copy: Copy) -> None:
    """Raises PhaseFailed unless every command passed; nothing to run is no failure but a warning."""
    receipt = copy.record.receipt
    assert receipt is not None
    if receipt.passed or not receipt.commands:
        return
    last = receipt.commands[-1]
    reason = Reason.VERIFY_TIMED_OUT if last.outcome == "timed-out" else Reason.VERIFY_FAILED
    where = f" in {copy.name}" if copy.name else ""
    raise PhaseFailed(reason, f"Verification failed{where}: {describe(last)}")


async def choose_commands(context: Context, copy: Copy) -> Detected:
    """The task's or the project's commands, else what the base branch's files tell."""
    given = copy.verify_commands
    if given is not None:
        return Detected(given, source="configured", warning=None if given else NOTHING.warning)
    base_commit = copy.record.base_commit
    assert base_commit is not None
    git, mirror = context.tools.git, copy.mirror.path

    async def read(path: str) -> bytes | None:
        return await read_file(git, mirror, base_commit, path, TOP_FILE_BYTES)

    return await detect(await top_names(git, mirror, base_commit), read)
