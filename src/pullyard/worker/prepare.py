"""The phase that makes the working copy, from the mirror and the prepared checkout."""

import time

from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.workflows import Node, NodeOutcome
from pullyard.sandboxes.protocol import Sandbox, SandboxSpec, Workspace
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from pullyard.worker.context import AGENT_DIRECTORY, Context
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.logs import LogFile
from pullyard.worker.mirrors import MIRROR_INSIDE
from pullyard.worker.open_sandbox import opened_sandbox
from pullyard.worker.run_command import describe, run_command
from pullyard.worker.salvage import list_salvage
from pullyard.worker.workspaces import Start


async def prepare(context: Context, node: Node) -> NodeOutcome:
    """Leave a working copy of the base commit in the execution's directory, set up."""
    del node
    grant, record, log = context.grant, context.record, context.log(Phase.PREPARE)
    if context.tools.measured.name == UnsafeDirectory.name:
        log.line(
            "Warning: this worker runs the agent without a sandbox (unsafe-directory); nothing holds it."
        )
    context.mirror = mirror = await context.tools.mirrors.refresh(grant.repository.url)
    record.base_branch, record.base_commit = mirror.resolve(grant.task.base_branch)
    context.journal.save()
    log.line(f"Repository {mirror.address.url}, branch {record.base_branch} at {record.base_commit[:12]}.")
    resume = None
    if grant.resume_from is not None:
        resume = (await list_salvage(context.tools.git, mirror)).get(grant.resume_from)
        if resume is None:
            log.line("The salvaged work is not on this worker: starting from the base branch.")
    context.workspace = await context.tools.workspaces.prepare(
        mirror, start_of(context), context.directory / AGENT_DIRECTORY, context.uid, resume=resume
    )
    if grant.setup_commands:
        async with opened_sandbox(context, context.workspace) as sandbox:
            await set_up(context, sandbox, log, time.monotonic() + grant.limits.prepare_seconds)
    return NodeOutcome.PASSED


async def reopen(context: Context) -> None:
    """After a restart: the mirror again, as it was when the execution began."""
    grant, record = context.grant, context.record
    context.mirror = await context.tools.mirrors.refresh(grant.repository.url)
    assert record.base_commit is not None
    context.workspace = await context.tools.workspaces.reopen(
        context.mirror, record.base_commit, context.directory / AGENT_DIRECTORY, context.uid
    )


async def set_up(context: Context, sandbox: Sandbox, log: LogFile, deadline: float) -> None:
    """Run the project's set-up commands. Raises PhaseFailed at the first that does not pass."""
    for argv in context.grant.setup_commands:
        result = await run_command(sandbox, argv, log, deadline)
        if result.outcome != "passed":
            raise PhaseFailed(Reason.SETUP_FAILED, f"Set-up failed: {describe(result)}")


def start_of(context: Context) -> Start:
    record = context.record
    assert record.base_commit is not None
    assert record.base_branch is not None
    anywhere = Workspace(context.directory, context.directory)
    probe = context.tools.sandbox(SandboxSpec(anywhere, mounts=(context.mirror.objects,), uid=context.uid))
    return Start(
        commit=record.base_commit,
        base_branch=record.base_branch,
        branch=context.grant.branch,
        objects_inside=probe.path_of(MIRROR_INSIDE),
    )
