"""Where this process may make control groups: tried, not read off a version number.

A controller is in one hierarchy only, of version 1 or 2; a hybrid machine has some in each. Groups are made
below the worker's own, so that whatever bounds the worker bounds its sandboxes too. Formats: cgroups(7),
proc_pid_mountinfo(5), and "cgroup-v2" in the kernel's admin guide.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pullyard.sandboxes.children import own_mark

WRITABLE = {
    1: {"cpu": "cpu.cfs_quota_us", "memory": "memory.limit_in_bytes", "pids": "pids.max"},
    2: {"cpu": "cpu.max", "memory": "memory.max", "pids": "pids.max"},
}
"""The file that a group has where the controller works in it, by the hierarchy's version."""
PREFIX = "pullyard-"
WORKER_GROUP = "pullyard.worker"
"""In version 2 processes live in leaves only: the worker and its neighbours move to this one."""
ROUNDS = 5


@dataclass(frozen=True)
class Hierarchy:
    version: int
    directory: Path
    """Groups may be made in here."""
    controllers: tuple[str, ...]


@cache
def hierarchies() -> tuple[Hierarchy, ...]:
    """Empty where this account can't bound anything. May move the worker itself into a leaf, once."""
    found: list[Hierarchy] = []
    for version, names, directory in groups_of("self"):
        if version == 2:
            directory = directory.parent if directory.name == WORKER_GROUP else directory
            names = enable(directory, names)
        if names and (working := tried(version, directory, names)):
            found.append(Hierarchy(version, directory, working))
    return tuple(found)


def groups_of(process: int | str) -> Iterator[tuple[int, tuple[str, ...], Path]]:
    """Version, controllers of ours, and directory of each group a process is in; ``self`` is this one."""
    mounts = list(mounted())
    for line in Path(f"/proc/{process}/cgroup").read_text().splitlines():
        _, listed, path = line.split(":", 2)
        version = 1 if listed else 2
        for kind, options, root, place in mounts:
            if kind != version or not set(filter(None, listed.split(","))) <= options:
                continue
            if not Path(path).is_relative_to(root):
                continue
            directory = place / Path(path).relative_to(root)
            names = listed.split(",") if listed else words(directory / "cgroup.controllers")
            ours = tuple(name for name in WRITABLE[version] if name in names)
            if ours:
                yield version, ours, directory
            break


def mounted() -> Iterator[tuple[int, set[str], str, Path]]:
    """Version, options, the group at the mount's root, and the place of each mounted hierarchy."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, place = (part.encode().decode("unicode_escape") for part in left.split(" ")[3:5])
            yield (1 if kind == "cgroup" else 2), set(options.split(",")), root, Path(place)


def enable(directory: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """The controllers that groups in ``directory`` of version 2 may use, once that was asked for."""
    switch = directory / "cgroup.subtree_control"
    for name in names:
        if name in words(switch):
            continue
        with contextlib.suppress(OSError):
            try:
                switch.write_text(f"+{name}")
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                vacate(directory)
                switch.write_text(f"+{name}")
    return tuple(name for name in names if name in words(switch))


def vacate(directory: Path) -> None:
    """Move what runs in a group of version 2 to a leaf of it; processes born meanwhile take more rounds."""
    leaf = directory / WORKER_GROUP
    leaf.mkdir(exist_ok=True)
    for _ in range(ROUNDS):
        numbers = words(directory / "cgroup.procs")
        for number in numbers:
            # It may have ended, or be the kernel's own.
            with contextlib.suppress(ProcessLookupError, OSError):
                (leaf / "cgroup.procs").write_text(number)
        if not numbers:
            return


def tried(version: int, directory: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    trial = directory / f"{PREFIX}{own_mark()}trial-{os.getpid()}"
    try:
        trial.mkdir(exist_ok=True)
        return tuple(name for name in names if os.access(trial / WRITABLE[version][name], os.W_OK))
    except OSError:
        return ()
    finally:
        with contextlib.suppress(OSError):
            trial.rmdir()


def words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
