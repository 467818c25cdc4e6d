"""A sandbox for one use: provisioned, used, and gone again whatever happened."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pullyard.sandboxes.protocol import Mount, Sandbox, SandboxSpec, Workspace
from pullyard.worker.context import Context


@asynccontextmanager
async def opened_sandbox(
    context: Context, workspace: Workspace, extra: Sequence[Mount] = ()
) -> AsyncIterator[Sandbox]:
    """The mirror's objects are there, read-only, because the working copy borrows them."""
    mounts = (context.mirror.objects, *extra)
    sandbox = context.tools.sandbox(SandboxSpec(workspace=workspace, mounts=mounts, uid=context.uid))
    try:
        await sandbox.provision()
        yield sandbox
    finally:
        await sandbox.destroy()
