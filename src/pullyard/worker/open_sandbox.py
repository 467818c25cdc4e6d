"""A sandbox for one use: provisioned, used, and gone again whatever happened."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from pullyard.lifecycle.execution import Phase
from pullyard.sandboxes.disk_meter import room_to_save
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import Mount, Sandbox, Workspace
from pullyard.worker.context import Context
from pullyard.worker.copies import Copy


@asynccontextmanager
async def opened_sandbox(
    context: Context,
    workspace: Workspace,
    mounts: Sequence[Mount] = (),
    *,
    saving: bool = False,
    reused: bool = False,
) -> AsyncIterator[Sandbox]:
    """``saving``: to read out of a workspace that may have outgrown its limits already.

    ``reused``: in the environment that the project's tasks share, where it has one.
    """
    sandbox = context.sandbox(workspace, mounts, reused=reused)
    if saving:
        roomy = replace(sandbox.spec, limits=await room_to_save(sandbox.spec))
        sandbox = context.tools.sandboxes.make_by(roomy, sandbox.name)
    began = time.monotonic()
    try:
        await sandbox.provision()
        # The first one's: its machine was not warmed up by another.
        context.facts.setdefault("sandbox_start_ms", round((time.monotonic() - began) * 1000, 1))
        if sandbox.phases:
            steps = {step: round(seconds * 1000, 1) for step, seconds in sandbox.phases.items()}
            context.facts.setdefault("sandbox_start_steps_ms", steps)
        if isinstance(sandbox, DockerSandbox) and sandbox.spec.environment and sandbox.claim is None:
            tell_busy(context)
        yield sandbox
    finally:
        await sandbox.destroy()


def tell_busy(context: Context) -> None:
    nodes = context.record.nodes
    context.log(nodes[-1].phase if nodes else Phase.PREPARE).line(
        "Another task uses the project's environment: this one has a fresh container."
    )


def working_copies(context: Context, extra: Sequence[Mount] = ()) -> tuple[Workspace, Sequence[Mount]]:
    """All working copies as the agent has them, side by side."""
    return side_by_side(context, lambda copy: copy.workspace, extra)


def clean_checkouts(context: Context) -> tuple[Workspace, Sequence[Mount]]:
    """All clean checkouts, in the same places."""
    return side_by_side(context, lambda copy: copy.checkout)


def alone(copy: Copy) -> tuple[Workspace, Sequence[Mount]]:
    """One working copy as the workspace, whichever repository it is of: as the harvest reads it."""
    assert copy.workspace is not None
    return copy.workspace, (copy.mirror.objects,)


def side_by_side(
    context: Context, shown: Callable[[Copy], Workspace | None], extra: Sequence[Mount] = ()
) -> tuple[Workspace, Sequence[Mount]]:
    """The mirrors' objects are there too, read-only, because the copies borrow them."""
    own = shown(context.main)
    assert own is not None
    mounts = [copy.objects for copy in context.copies]
    for copy in context.copies[1:]:
        beside = shown(copy)
        assert beside is not None
        mounts.append(Mount(beside.upper, copy.inside, writable=True))
    return own, [*mounts, *extra]
