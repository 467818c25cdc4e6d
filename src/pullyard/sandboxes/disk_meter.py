"""How much a workspace holds, measured while commands run in it, and the end of a sandbox that fills it.

A quota of the file system would need a mount option that hardly any machine has set, and root. So the room
left on the file system is looked at four times a second, which costs nothing; only where enough has gone that
the workspace may have taken it are its files counted. What is written until then is the bound's lag.
"""

import asyncio
import logging
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pullyard.sandboxes.children import Child, Streams, readable
from pullyard.sandboxes.protocol import Limits, SandboxSpec
from pullyard.sandboxes.sizes import told_size

LOOK_SECONDS = 0.25
COUNT_SECONDS = (0.5, 10.0)
COUNT_SHARE = 20
"""The files are counted now and then even so, as a neighbour who deletes would hide one who writes: after
this many times as long as the last count took, within these bounds."""
SAVING_BYTES, SAVING_FILES = 64 << 20, 1000
"""A workspace that is too large already may grow by so much while its work is saved."""

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
    """``run`` for as long as commands may write: it calls ``stop`` with a sentence when there is too much."""

    def __init__(self, spec: SandboxSpec, stop: Callable[[str], Awaitable[None]]) -> None:
        self.directories = written_by(spec)
        limits = spec.limits
        self.most: Bounds = (limits.disk_bytes, limits.inodes)
        self.sentences = (
            f"The sandbox's workspace outgrew its {told_size(limits.disk_bytes or 0)} of disk.",
            f"The sandbox's workspace outgrew its {limits.inodes} files.",
        )
        self.stop = stop

    async def run(self) -> None:
        """Does nothing where neither is limited. What fails is told and begins again: it unbounds nothing."""
        while self.most != (None, None):
            try:
                await self.watch()
            except Exception:
                logging.getLogger(__name__).exception("a bug in the disk meter")

    async def watch(self) -> None:
        counting = None
        while True:
            # Most commands are over before the first count, and a start isn't made longer.
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if counting is None or counting.is_old() or self.may_exceed(counting):
                    counting = await count(self.directories) or counting
            except OSError:
                # The machine is short of processes or descriptors for a moment.
                continue
            if counting is not None and (sentence := self.exceeded(counting.found)):
                await self.stop(sentence)
                counting = None

    def exceeded(self, found: Amounts) -> str | None:
        for holds, most, sentence in zip(found, self.most, self.sentences, strict=True):
            if most is not None and holds > most:
                return sentence
        return None

    def may_exceed(self, counting: Count) -> bool:
        """Whether half of what was left to the workspace has gone from the file system since the count."""
        now = taken(self.directories[0])
        return any(
            most is not None and taken_now - taken_before > (most - holds) // 2
            for taken_now, taken_before, holds, most in zip(
                now, counting.before, counting.found, self.most, strict=True
            )
        )


def written_by(spec: SandboxSpec) -> list[Path]:
    return [spec.workspace.upper, *(mount.outside for mount in spec.mounts if mount.writable)]


async def room_to_save(spec: SandboxSpec) -> Limits:
    """The sandbox's limits, so far raised that the work in a workspace that outgrew them can be read out."""
    limits = spec.limits
    if (limits.disk_bytes, limits.inodes) == (None, None):
        return limits
    counted = await count(written_by(spec))
    size, files = counted.found if counted else (0, 0)
    return replace(
        limits,
        disk_bytes=limits.disk_bytes and max(limits.disk_bytes, size + SAVING_BYTES),
        inodes=limits.inodes and max(limits.inodes, files + SAVING_FILES),
    )


async def count(directories: Sequence[Path]) -> Count | None:
    """None where it can't be done. Raises OSError where it can't be done just now."""
    began, before = time.monotonic(), taken(directories[0])
    size, files = await asyncio.gather(total(directories, "--block-size=1"), total(directories, "--inodes"))
    if size is None or files is None:
        return None
    return Count((size, files), before, began, time.monotonic())


def taken(directory: Path) -> Amounts:
    """Bytes and files of the whole file system."""
    found = os.statvfs(directory)
    return (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_files - found.f_ffree


async def total(directories: Sequence[Path], unit: str) -> int | None:
    """A program counts: it copes with any depth. A directory closed to its owner hides nothing from it."""
    # In a namespace of its own an ordinary account may look into everything that belongs to it.
    words = [] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--"]
    words += ["du", "--summarize", "--total", "--one-file-system", unit, "--", *map(str, directories)]
    reader, writer = os.pipe()
    try:
        counting = Child(words, Streams(stdout=writer, stderr=subprocess.DEVNULL))
    except OSError:
        os.close(reader)
        raise
    finally:
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
