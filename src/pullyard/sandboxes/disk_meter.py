"""How much a workspace holds, measured while commands run in it, and the end of a sandbox that fills it.

A quota of the file system would need a mount option that hardly any machine has set, and root. So the room
left on the file system is looked at four times a second, which costs nothing; only where enough has gone that
the workspace may have taken it are its files counted. What is written until then is the bound's lag.
"""

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pullyard.sandboxes.children import Child, Streams, readable
from pullyard.sandboxes.protocol import SandboxSpec
from pullyard.sandboxes.sizes import told_size

LOOK_SECONDS = 0.25
COUNT_SECONDS = (0.5, 10.0)
COUNT_SHARE = 20
"""The files are counted now and then even so, as a neighbour who deletes would hide one who writes: after
this many times as long as the last count took, within these bounds."""

Amounts = tuple[int, int]
"""Bytes and files."""
Bounds = tuple[int | None, int | None]


@dataclass(frozen=True)
class Count:
    found: Amounts
    """What the workspace held: every block and every name."""
    before: Amounts
    """What the whole file system held when it began."""
    began: float
    ended: float

    def is_old(self) -> bool:
        least, most = COUNT_SECONDS
        seconds = min(most, max(least, COUNT_SHARE * (self.ended - self.began)))
        return time.monotonic() - self.ended > seconds


class DiskMeter:
    """``run`` for as long as commands may write; it calls ``stop`` once, with a sentence, and ends."""

    def __init__(self, spec: SandboxSpec, stop: Callable[[str], Awaitable[None]]) -> None:
        written = [mount.outside for mount in spec.mounts if mount.writable]
        self.directories = [spec.workspace.upper, *written]
        limits = spec.limits
        self.most: Bounds = (limits.disk_bytes, limits.inodes)
        self.sentences = (
            f"The sandbox's workspace outgrew its {told_size(limits.disk_bytes or 0)} of disk.",
            f"The sandbox's workspace outgrew its {limits.inodes} files.",
        )
        self.stop = stop

    async def run(self) -> None:
        """Nothing to do where neither is limited, or where the machine can't count."""
        if self.most == (None, None):
            return
        # Most commands are over by then, and a start isn't made longer.
        await asyncio.sleep(LOOK_SECONDS)
        counting = await self.count()
        if counting is None:
            return
        while True:
            for holds, most, sentence in zip(counting.found, self.most, self.sentences, strict=True):
                if most is not None and holds > most:
                    await self.stop(sentence)
                    return
            await asyncio.sleep(LOOK_SECONDS)
            if counting.is_old() or may_exceed(taken(self.directories[0]), counting, self.most):
                counting = await self.count() or counting

    async def count(self) -> Count | None:
        """None where it can't be done."""
        began, before = time.monotonic(), taken(self.directories[0])
        size, files = await asyncio.gather(
            total(self.directories, "--block-size=1"), total(self.directories, "--inodes")
        )
        if size is None or files is None:
            return None
        return Count((size, files), before, began, time.monotonic())


def may_exceed(now: Amounts, counting: Count, bounds: Bounds) -> bool:
    """Whether half of what was left to the workspace has gone from the file system since it was counted."""
    return any(
        most is not None and taken_now - taken_before > (most - holds) // 2
        for taken_now, taken_before, holds, most in zip(
            now, counting.before, counting.found, bounds, strict=True
        )
    )


def taken(directory: Path) -> Amounts:
    """Bytes and files of the whole file system."""
    found = os.statvfs(directory)
    return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree


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
