"""One sandbox's control group: its limits, what ran into them, and its end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

from pullyard.sandboxes.cgroups.find import PREFIX, Hierarchy, hierarchies, words
from pullyard.sandboxes.protocol import Limits, SandboxUnavailable
from pullyard.sandboxes.sizes import told_size

PERIOD_MICROSECONDS = 100_000
LEAST_QUOTA_MICROSECONDS = 1000
"""The kernel takes no less."""

EVENTS = {
    (1, "memory"): ("memory.oom_control", "oom_kill"),
    (2, "memory"): ("memory.events", "oom_kill"),
    (1, "pids"): ("pids.events", "max"),
    (2, "pids"): ("pids.events", "max"),
}
"""The file and the line of it that counts how often a limit was run into."""
ENDING_ROUNDS, ENDING_SECONDS = 200, 0.005


class Group:
    """A directory of the same name in each hierarchy. Without any hierarchy it bounds nothing."""

    def __init__(self, mark: str, limits: Limits) -> None:
        self.name = PREFIX + mark
        self.limits = limits
        self.opened: list[tuple[Hierarchy, Path]] = []
        self.told: dict[str, int] = {}

    def open(self) -> None:
        """Raises SandboxUnavailable where a group can no longer be made."""
        try:
            for hierarchy in hierarchies():
                directory = hierarchy.directory / self.name
                directory.mkdir()
                self.opened.append((hierarchy, directory))
                for controller in hierarchy.controllers:
                    for file, value in settings(hierarchy.version, controller, self.limits):
                        bound(directory / file, value)
        except OSError as error:
            self.remove()
            raise SandboxUnavailable(
                f"The sandbox's control group can't be made ({error.strerror}): look whether "
                f"{error.filename} may still be written by the worker's account."
            ) from error

    def bounds(self, controller: str) -> bool:
        return any(controller in hierarchy.controllers for hierarchy, _ in self.opened)

    def enter(self, number: int) -> None:
        """Put a process that waits at a gate into the group: all it starts later is born in it."""
        for _, directory in self.opened:
            # Without it the sandbox would run unbounded: what can't enter doesn't run.
            try:
                (directory / "cgroup.procs").write_text(str(number))
            except ProcessLookupError:
                return
            except OSError as error:
                raise SandboxUnavailable(
                    f"The sandbox can't enter its control group ({error.strerror}): start the worker in a "
                    "group that belongs to its account, such as 'systemd-run --user --scope -p Delegate=yes'."
                ) from error

    def exceeded(self) -> list[str]:
        """The limits that were run into since this was last asked, each as a sentence."""
        news: list[str] = []
        for controller, count in self.counts():
            if count > self.told.get(controller, 0):
                news.append(self.sentence(controller))
            self.told[controller] = count
        return news

    def counts(self) -> Iterator[tuple[str, int]]:
        for hierarchy, directory in self.opened:
            for controller in hierarchy.controllers:
                if (hierarchy.version, controller) not in EVENTS:
                    continue
                file, name = EVENTS[hierarchy.version, controller]
                listed = words(directory / file)
                pairs = dict(zip(listed[::2], listed[1::2], strict=False))
                yield controller, int(pairs.get(name, 0))

    def sentence(self, controller: str) -> str:
        if controller == "memory":
            return f"The sandbox ran out of its {told_size(self.limits.memory_bytes or 0)} of memory."
        return f"The sandbox reached its limit of {self.limits.processes} processes."

    async def close(self) -> None:
        """End what is still in it, and remove it. Repeatable."""
        left = await remove_all([directory for _, directory in self.opened])
        self.opened = [opened for opened in self.opened if opened[1] in left]

    def remove(self) -> None:
        self.opened = [(hierarchy, directory) for hierarchy, directory in self.opened if not end(directory)]


def settings(version: int, controller: str, limits: Limits) -> Iterator[tuple[str, str]]:
    """File and value, in the order to be written. Swap counts as memory: there is none on top."""
    if controller == "pids":
        yield "pids.max", str(limits.processes)
    if controller == "memory" and limits.memory_bytes is not None:
        most = str(limits.memory_bytes)
        yield "memory.limit_in_bytes" if version == 1 else "memory.max", most
        yield ("memory.memsw.limit_in_bytes", most) if version == 1 else ("memory.swap.max", "0")
    if controller == "cpu" and limits.cpus is not None:
        quota = max(LEAST_QUOTA_MICROSECONDS, int(limits.cpus * PERIOD_MICROSECONDS))
        if version == 2:
            yield "cpu.max", f"{quota} {PERIOD_MICROSECONDS}"
        else:
            yield "cpu.cfs_period_us", str(PERIOD_MICROSECONDS)
            yield "cpu.cfs_quota_us", str(quota)


def bound(file: Path, value: str) -> None:
    # A kernel without swap accounting has no such file.
    if "sw" in file.name and not file.exists():
        return
    try:
        file.write_text(value)
    except OSError:
        # Version 1 refuses more processors than the group above has, whose limit then holds.
        if file.name != "cpu.cfs_quota_us":
            raise


async def remove_all(directories: Sequence[Path]) -> Sequence[Path]:
    """End what is in the groups and remove them; those that are still ending after a second."""
    for _ in range(ENDING_ROUNDS):
        directories = [directory for directory in directories if not end(directory)]
        if not directories:
            break
        # An ended process leaves its group a moment after it was waited for.
        await asyncio.sleep(ENDING_SECONDS)
    return directories


def end(directory: Path) -> bool:
    """Kill what is in a group and remove it; False where something is still ending."""
    for number in words(directory / "cgroup.procs"):
        # Only what is in this group, and never this very process, should it have been put there.
        if int(number) not in (0, os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(number), signal.SIGKILL)
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
