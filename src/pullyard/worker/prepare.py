"""The phase that makes the working copies, from the mirrors and the prepared checkouts."""

import time

from pullyard.git.names import check_object_id
from pullyard.git.provenance import Provenance, read_provenance
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeKind, NodeOutcome
from pullyard.sandboxes.protocol import Sandbox, Workspace
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from pullyard.worker.begin_repository import begin_repository
from pullyard.worker.bring_in import bring_in_base
from pullyard.worker.command_check import check_found
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.forges import open_forge
from pullyard.worker.images.take_image import take_image
from pullyard.worker.logs import LogFile
from pullyard.worker.open_sandbox import opened_sandbox, working_copies
from pullyard.worker.quota import keep_project_quota
from pullyard.worker.resume import find_resumed
from pullyard.worker.run_command import describe, reason_of, run_command
from pullyard.worker.workspaces import MergeStart, Start


async def prepare(context: Context, node: Node) -> NodeOutcome:
    """Leave working copies of the base commits in the execution's directory, set up."""
    grant, log = context.grant, context.log(Phase.PREPARE)
    if context.probe.name == UnsafeDirectory.name:
        log.line(
            "Warning: this worker runs the agent without a sandbox (unsafe-directory); nothing holds it."
        )
    if any(one.kind is NodeKind.PUBLISH for one in context.workflow.nodes):
        for copy in context.copies:
            # What can't be published is told before an agent costs anything.
            open_forge(context.tools, copy.url, copy.forge)
    for copy in context.copies:
        await find_base(context, copy, node)
    context.journal.save()
    await keep_project_quota(context)
    await take_image(context)
    for copy in context.copies:
        await make_copy(context, copy)
    if context.setup_commands:
        async with opened_sandbox(context, *working_copies(context), reused=True) as sandbox:
            await set_up(context, sandbox, log, time.monotonic() + grant.limits.prepare_seconds)
    return NodeOutcome.PASSED


async def make_copy(context: Context, copy: Copy) -> None:
    workspaces, start, place = context.tools.workspaces, start_of(context, copy), copy.agent_directory
    merging = copy.record.merging
    if merging is None:
        resume = await find_resumed(context, copy)
        copy.workspace = await workspaces.prepare(copy.mirror, start, place, context.uid, resume=resume)
        return
    # Unfinished work of an earlier try is of another merge, perhaps: it would take back what came since.
    merge = MergeStart(copy.harvest, merging.tree, merging.commit, copy.unmerged)
    copy.workspace = await workspaces.merging(copy.mirror, start, merge, place, context.uid)


async def open_mirror(context: Context, copy: Copy) -> None:
    """Up to date, and held from here on: an image may be built before there is a working copy."""
    copy.mirror = await context.tools.mirrors.refresh(copy.url)
    await context.tools.workspaces.hold(copy.mirror, copy.agent_directory)


async def find_base(context: Context, copy: Copy, node: Node) -> None:
    """Bring the mirror up to date and write down where the copy starts."""
    record, log = copy.record, context.log(Phase.PREPARE)
    await open_mirror(context, copy)
    if not copy.mirror.listing.branches and node.settings.get("empty") == "allowed":
        await begin_repository(context, copy)
    record.base_branch, record.base_commit = copy.mirror.resolve(copy.wanted_branch)
    where = f"Repository {copy.mirror.address.url}"
    if node.settings.get("start") == "change":
        await start_at_change(context, copy)
        log.line(f"{where}, the change {context.grant.branch} at {copy.start_commit[:12]}.")
        if node.settings.get("merge") == "base":
            await bring_in_base(context, copy)
        return
    log.line(f"{where}, branch {record.base_branch} at {record.base_commit[:12]}.")


async def start_at_change(context: Context, copy: Copy) -> None:
    """Raises PhaseFailed where the change's branch is not where the coordinator knows it.

    What an earlier execution of this task has pushed and could not tell of any more is in nobody's way: it is
    replaced by what this one makes.
    """
    change = context.grant.change
    assert change is not None
    there = copy.mirror.listing.branches.get(change.branch)
    ours = Provenance(context.grant.task.id, context.grant.fence)
    if there != check_object_id(change.commit) and not (
        there and ours.comes_after(await read_provenance(context.tools.git, copy.mirror.path, there))
    ):
        raise PhaseFailed(
            Reason.BASE_BRANCH_MISSING,
            f"The branch {change.branch!r} is {'gone' if there is None else 'not where it was published'}: "
            "somebody else deleted or moved it, so there is nothing to go on with.",
        )
    copy.record.base_commit = check_object_id(change.base_commit)
    copy.record.base_branch = change.base_branch
    copy.record.start_commit = change.commit


async def reopen(context: Context) -> None:
    """After a restart: the mirrors again, and the working copies as the agent left them."""
    for copy in context.copies:
        await open_mirror(context, copy)
    await take_image(context)
    for copy in context.copies:
        copy.workspace = await context.tools.workspaces.reopen(
            copy.mirror, start_of(context, copy), copy.agent_directory, context.uid
        )


async def set_up(context: Context, sandbox: Sandbox, log: LogFile, deadline: float) -> None:
    """Run the project's set-up commands. Raises PhaseFailed at the first that does not pass."""
    check_found(context, context.setup_commands)
    for argv in context.setup_commands:
        result = await run_command(sandbox, argv, log, deadline, network=context.network)
        if result.outcome != "passed":
            reason = reason_of(result, Reason.SETUP_FAILED)
            raise PhaseFailed(reason, f"Set-up failed: {describe(result)}")


def start_of(context: Context, copy: Copy) -> Start:
    assert copy.record.base_branch is not None
    anywhere = Workspace(context.directory, context.directory)
    probe = context.sandbox(anywhere, (copy.objects,))
    return Start(
        commit=copy.start_commit,
        base_branch=copy.record.base_branch,
        branch=context.grant.branch,
        objects_inside=probe.path_of(copy.objects.inside),
        whole=copy.name is not None or not context.probe.overlay,
    )
