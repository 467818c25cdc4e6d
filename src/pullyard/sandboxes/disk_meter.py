"""How much a workspace holds, measured while commands run in it, and the end of a sandbox that fills it.

A quota of the file system would need a mount option that hardly any machine has set, and root. So the room
left on the file system is looked at four times a second, which costs nothing; only where enough has gone that
the workspace may have taken it are its files counted. What is written until then is the bound's lag.
"""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pullyard.sandboxes.children import Child, Streams, readable
from pullyard.sandboxes.protocol import SandboxSpec
from pullyard.sandboxes.sizes import told_size

LOOK_SECONDS = 0.25
COUNT_SECONDS = 10.0
"""The files are counted this often even so: a neighbour who deletes would hide one who writes."""
RESCUE_BYTES, RESCUE_FILES = 64 << 20, 1000
"""A workspace that is too large already may grow by so much while its work is saved."""

Amounts = tuple[int, int]
"""Bytes and files."""


class DiskMeter:
    """``run`` for as long as commands may write; it calls ``stop`` once, with a sentence, and ends."""

    def __init__(self, spec: SandboxSpec, stop: Callable[[str], Awaitable[None]]) -> None:
        written = [mount.outside for mount in spec.mounts if mount.writable]
        self.directories = [spec.workspace.upper, *written]
        limits = spec.limits
        self.most = (limits.disk_bytes, limits.inodes)
        self.sentences = (
            f"The sandbox's workspace outgrew its {told_size(limits.disk_bytes or 0)} of disk.",
            f"The sandbox's workspace outgrew its {limits.inodes} files.",
        )
        self.stop = stop

    async def run(self) -> None:
        """Nothing to do where neither is limited, or where the machine can't count."""
        loop = asyncio.get_running_loop()
        if self.most == (None, None):
            return
        # Most commands are over by then, and a start isn't made longer.
        await asyncio.sleep(LOOK_SECONDS)
        before, counted = taken(self.directories[0]), await count(self.directories)
        if counted is None:
            return
        allowed = self.allowed(counted)
        looked = loop.time()
        while True:
            for holds, most, sentence in zip(counted, allowed, self.sentences, strict=True):
                if most is not None and holds > most:
                    await self.stop(sentence)
                    return
            await asyncio.sleep(LOOK_SECONDS)
            now = taken(self.directories[0])
            if loop.time() - looked > COUNT_SECONDS or may_exceed(now, before, counted, allowed):
                before, counted = now, await count(self.directories) or counted
                looked = loop.time()

    def allowed(self, found: Amounts) -> tuple[int | None, int | None]:
        slack = (RESCUE_BYTES, RESCUE_FILES)
        size, files = (
            None if most is None else most if holds <= most else holds + more
            for most, holds, more in zip(self.most, found, slack, strict=True)
        )
        return size, files


def may_exceed(
    now: Amounts, before: Amounts, counted: Amounts, allowed: tuple[int | None, int | None]
) -> bool:
    """Whether half of what was left to the workspace has gone from the file system since it was counted."""
    return any(
        most is not None and taken_now - taken_before > (most - holds) // 2
        for taken_now, taken_before, holds, most in zip(now, before, counted, allowed, strict=True)
    )


def taken(directory: Path) -> Amounts:
    """Bytes and files of the whole file system."""
    found = os.statvfs(directory)
    return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree


async def count(directories: Sequence[Path]) -> Amounts | None:
    """What the directories hold, every block and every name; None where it can't be counted."""
    size, files = await asyncio.gather(total(directories, "--block-size=1"), total(directories, "--inodes"))
    return None if size is None or files is None else (size, files)


async def total(directories: Sequence[Path], unit: str) -> int | None:
    """A program counts: it copes with any depth. A directory closed to its owner hides nothing from it."""
    # In a namespace of its own an ordinary account may look into everything that belongs to it.
    words = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--"]
    words += ["nice", "du", "--summarize", "--total", "--one-file-system", unit, "--", *map(str, directories)]
    reader, writer = os.pipe()
    counting = Child(words, Streams(stdout=writer, stderr=subprocess.DEVNULL))
    os.close(writer)
    try:
        printed = b""
        while True:
            await readable(reader)
            part = os.read(reader, 4096)
            if not part:
                break
            # Only the last line is wanted: names are bounded by the system, lines by the directories.
            printed = (printed + part)[-4096:]
    finally:
        os.close(reader)
        counting.kill()
        with suppress(asyncio.CancelledError):
            await counting.wait()
    last = printed.splitlines()[-1].split() if printed else []
    return int(last[0]) if last and last[0].isdigit() else None
