"""The phase that proves the work: the base branch's commands on a fresh checkout of exactly its commit."""

import shlex
import time
from collections.abc import Mapping, Sequence

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.protocol.worker import CommandResult
from pullyard.sandboxes.protocol import Sandbox, SandboxLost, SandboxUnavailable, Workspace
from pullyard.worker.base_files import read_file, top_names
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.counts import TAIL_BYTES, count_tests
from pullyard.worker.detect import CONFIGURED, NOTHING, Detected, detect, lookup_of
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.open_sandbox import clean_checkouts, opened_sandbox
from pullyard.worker.prepare import set_up, start_of
from pullyard.worker.receipts import Ran, make_receipt
from pullyard.worker.run_command import NOT_FOUND, describe, reason_of, run_command

TOP_FILE_BYTES = 1 << 20
LOOKUP_SECONDS = 10.0


async def verify(context: Context, node: Node) -> NodeOutcome:
    """Leave a signed receipt for every copy that has changed. Raises PhaseFailed where a command failed.

    The commands of one copy see the clean checkouts of all. Skipping is no failure.
    """
    chosen = {copy: await choose_commands(context, copy) for copy in context.changed}
    ran = tried_before(context, node)
    if fresh := {copy: commands for copy, commands in chosen.items() if copy not in ran}:
        ran |= await run_once(context, fresh)
        write_down(context, fresh, ran)
    tries = context.grant.limits.verify_tries
    for _ in range(1, tries):
        if failed := {copy: chosen[copy] for copy, one in ran.items() if may_be_flaky(one, tries)}:
            await try_again(context, failed, ran)
            write_down(context, failed, ran)
    for copy in context.changed:
        judge(copy)
    return NodeOutcome.PASSED


def tried_before(context: Context, node: Node) -> dict[Copy, Ran]:
    """The tries that ended in an attempt which was interrupted: what failed then is not forgotten."""
    attempts = [fact for fact in context.record.nodes if fact.name == node.name]
    if len(attempts) < 2 or attempts[-2].reason is not Reason.INTERRUPTED:
        return {}
    receipts = {copy: copy.record.receipt for copy in context.changed}
    return {
        copy: Ran(receipt.commands, receipt.seconds, receipt.tries)
        for copy, receipt in receipts.items()
        if receipt and copy.record.harvested and receipt.commit == copy.record.harvested.commit
    }


def write_down(context: Context, chosen: Mapping[Copy, Detected], ran: Mapping[Copy, Ran]) -> None:
    """After every try, so that the proof of the last whole one is there whatever becomes of the next."""
    for copy, commands in chosen.items():
        results = ran[copy].results
        warning = commands.warning or missing_program(results) or flaky_command(results)
        copy.record.receipt = make_receipt(context, copy, ran[copy], warning=warning)
    context.journal.save()


async def run_once(context: Context, chosen: Mapping[Copy, Detected]) -> dict[Copy, Ran]:
    """On checkouts that nothing has touched yet, in a sandbox of its own."""
    began = time.monotonic()
    log = context.log(Phase.VERIFY)
    for copy in context.copies:
        copy.checkout = await clean_checkout(context, copy)
    ran: dict[Copy, Ran] = {}
    async with opened_sandbox(context, *clean_checkouts(context)) as sandbox:
        if any(one.commands for one in chosen.values()):
            await set_up(context, sandbox, log, time.monotonic() + context.grant.limits.prepare_seconds)
        for copy, commands in chosen.items():
            results = await run_all(context, copy, sandbox, commands)
            ran[copy] = Ran(results, time.monotonic() - began)
            began = time.monotonic()
    return ran


def may_be_flaky(ran: Ran, tries: int) -> bool:
    """Whether what failed is to be tried again, where there may be so many tries."""
    results = ran.results
    failed = bool(results) and results[-1].outcome == "failed" and results[-1].exit_code != NOT_FOUND
    return failed and ran.tries < tries


async def try_again(context: Context, failed: Mapping[Copy, Detected], ran: dict[Copy, Ran]) -> None:
    """Once more; ``ran`` is of the last try then. A failure that is gone is marked, and never forgotten."""
    log = context.log(Phase.VERIFY)
    log.line("Once more, on another fresh checkout of the same commit.")
    try:
        again = await run_once(context, failed)
    except SandboxLost:
        raise
    except (PhaseFailed, SandboxUnavailable) as failure:
        log.line(f"It could not be tried again: {failure}")
        return
    for copy, now in again.items():
        before = ran[copy]
        for earlier, later in zip(before.results, now.results, strict=False):
            later.flaky = later.outcome == "passed" and (earlier.flaky or earlier.outcome == "failed")
        if flaky := flaky_command(now.results):
            log.line(flaky)
        ran[copy] = Ran(now.results, before.seconds + now.seconds, before.tries + 1)


def flaky_command(results: Sequence[CommandResult]) -> str | None:
    flaky = next((result for result in results if result.flaky), None)
    if flaky is None:
        return None
    return (
        f"'{shlex.join(flaky.argv)[:200]}' is flaky: it failed at first, and passed on another fresh "
        "checkout of the same commit."
    )


def missing_program(results: Sequence[CommandResult]) -> str | None:
    skipped = next((result for result in results if result.outcome == "skipped"), None)
    if skipped is None:
        return None
    return (
        f"'{shlex.join(skipped.argv)[:200]}' was skipped, with all after it: its program is not in the "
        "sandbox. Install it on the worker, or set verify_commands."
    )


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
        start = log.size_bytes
        result = await run_command(sandbox, argv, log, deadline, network=context.network, directory=directory)
        result.tests = count_tests(log.tail(start, TAIL_BYTES))
        results.append(result)
        if result.outcome == "failed" and await is_skipped(context, sandbox, chosen, argv):
            result.outcome = "skipped"
        if result.outcome != "passed":
            break
    if warning := chosen.warning or missing_program(results):
        log.line(f"Skipped. {warning}")
    return results


async def is_skipped(context: Context, sandbox: Sandbox, chosen: Detected, argv: Sequence[str]) -> bool:
    """Whether a command that nobody asked for by name failed because its program is not installed.

    Looked up outside of the checkout, so that no file in it can make a failure look like that.
    """
    lookup = None if chosen.configured else lookup_of(argv)
    if lookup is None:
        return False
    log, deadline = context.log(Phase.VERIFY), time.monotonic() + LOOKUP_SECONDS
    looked = await run_command(sandbox, lookup, log, deadline, network=context.network, directory="/")
    return looked.outcome == "failed"


def judge(copy: Copy) -> None:
    """Raises PhaseFailed unless every command passed; nothing to run is no failure but a warning."""
    receipt = copy.record.receipt
    assert receipt is not None
    if receipt.passed or not receipt.commands or receipt.commands[-1].outcome == "skipped":
        return
    last = receipt.commands[-1]
    failed = Reason.VERIFY_TIMED_OUT if last.outcome == "timed-out" else Reason.VERIFY_FAILED
    reason = reason_of(last, failed)
    where = f" in {copy.name}" if copy.name else ""
    tries = f" It was tried {receipt.tries} times." if receipt.tries > 1 else ""
    raise PhaseFailed(reason, f"Verification failed{where}: {describe(last)}{tries}")


async def choose_commands(context: Context, copy: Copy) -> Detected:
    """The task's or the project's commands, else what the base branch's files tell."""
    given = copy.verify_commands
    if given is not None:
        return Detected(given, source=CONFIGURED, warning=None if given else NOTHING.warning)
    base_commit = copy.record.base_commit
    assert base_commit is not None
    git, mirror = context.tools.git, copy.mirror.path

    async def read(path: str) -> bytes | None:
        return await read_file(git, mirror, base_commit, path, TOP_FILE_BYTES)

    online = context.grant.isolation.network.registries
    return await detect(await top_names(git, mirror, base_commit), read, online=online)
