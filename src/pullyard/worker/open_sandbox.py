"""A sandbox for one use: provisioned, used, and gone again whatever happened."""

import time
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
    began = time.monotonic()
    try:
        await sandbox.provision()
        # The first one's: its machine was not warmed up by another.
        context.facts.setdefault("sandbox_start_ms", round((time.monotonic() - began) * 1000, 1))
        yield sandbox
    finally:
        await sandbox.destroy()
