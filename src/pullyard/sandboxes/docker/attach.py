"""Mounts for a container that runs already: what makes a container that waited the sandbox of one execution.

It needs a worker that is root on the engine's own machine, without a user namespace in between; everywhere
else mounts are told to the engine when the container is made.
"""

import asyncio
import marshal
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pullyard.sandboxes.children import Child, Streams, readable
from pullyard.sandboxes.docker.attach_mounts import LENGTH_BYTES
from pullyard.sandboxes.docker.workspace import overlay_layers
from pullyard.sandboxes.protocol import WORKSPACE, Mount, Workspace

HELPER = Path(__file__).with_name("attach_mounts.py")
ATTACH_SECONDS = 20.0
SAID_BYTES = 4096


NEVER = ("Operation not permitted", "Function not implemented")
"""What the kernel says where it would say so for every container."""


class AttachRefused(Exception):
    """The kernel does not let us; the message is its own."""

    @property
    def final(self) -> bool:
        """Whether there is no use in trying it with another container."""
        return any(words in str(self) for words in NEVER)


async def attach(process: int, workspace: Workspace, mounts: Sequence[Mount], shared: int | None) -> None:
    """``process`` is a descriptor of the container's first process; so is ``shared``, of another container
    whose workspace is mounted already: an overlay may not be mounted twice. Raises AttachRefused.
    """
    layers = list(overlay_layers(workspace).items()) if workspace.lower and shared is None else []
    binds = [(str(mount.outside.resolve()), mount.inside, mount.writable) for mount in mounts]
    if not workspace.lower:
        binds.insert(0, (str(workspace.upper.resolve()), WORKSPACE, True))
        shared = None
    plan = {"process": process, "shared": shared, "workspace": WORKSPACE, "layers": layers, "mounts": binds}
    await ask(plan, [number for number in (process, shared) if number is not None])


async def detach(process: int, mounts: Sequence[Mount]) -> None:
    """Take away what ``attach`` has brought, the last one first. Raises AttachRefused."""
    places = [*(mount.inside for mount in reversed(mounts)), WORKSPACE]
    await ask({"process": process, "places": places}, [process])


async def ask(plan: dict[str, Any], passed: Sequence[int]) -> None:
    content = marshal.dumps(plan)
    reader, writer = os.pipe()
    said, saying = os.pipe()
    words = [sys.executable, "-I", "-S", str(HELPER)]
    helper = Child(words, Streams(reader, saying, subprocess.STDOUT, passed))
    os.close(reader)
    os.close(saying)
    try:
        with os.fdopen(writer, "wb", buffering=0) as telling:
            telling.write(len(content).to_bytes(LENGTH_BYTES, "big") + content)
        async with asyncio.timeout(ATTACH_SECONDS):
            await readable(said)
        answer = os.read(said, SAID_BYTES)
    except (TimeoutError, OSError) as failed:
        raise AttachRefused(f"it was not done ({failed!r})") from failed
    finally:
        os.close(said)
        helper.kill()
        await helper.wait()
    if answer != b"ready\n":
        raise AttachRefused(" ".join(answer.decode(errors="replace").split()) or "no reason was given")
