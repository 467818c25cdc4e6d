"""Runs that ought to end badly, and what has to hold after every one of them."""

import asyncio
import secrets
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.repositories import branches_of
from tests.system import System


@dataclass(frozen=True)
class Wish:
    """One task in a project of its own."""

    command: str = "echo done > result.txt"
    project: Mapping[str, Any] = field(default_factory=dict)
    task: Mapping[str, Any] = field(default_factory=dict)
    repository: Path | str | None = None
    """None is the one that all wishes share."""


@dataclass(frozen=True)
class Run:
    task: dict[str, Any]
    execution: dict[str, Any]

    @property
    def ending(self) -> tuple[str, str, str | None]:
        """The states of the task and of its execution, and the reason, which both of them give."""
        assert self.task["reason"] == self.execution["reason"]
        return self.task["state"], self.execution["state"], self.task["reason"]

    def says(self, *words: str) -> bool:
        return all(word in self.task["message"] for word in words)


def linger() -> str:
    """A command that never ends and that no other process on this machine is called like."""
    return f"sleep 8{secrets.randbelow(10**12)}"


async def run_all(system: System, repository: Path | None, wishes: Iterable[Wish]) -> list[Run]:
    """Run them at the same time, each to its end."""

    async def run(wish: Wish) -> Run:
        fields = {"verify_commands": [["true"]], **wish.project}
        project = await system.project(wish.repository or str(repository), **fields)
        task = await system.ended(await system.task(project, wish.command, **wish.task))
        return Run(task, (await system.executions(task))[-1])

    return list(await asyncio.gather(*(run(wish) for wish in wishes)))


def processes(words: str) -> list[str]:
    """The command lines on this machine, in any sandbox too, that hold ``words``."""
    found: list[str] = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words in line:
            found.append(line)
    return found


async def nothing_left(system: System) -> None:
    """Stop the worker; fails where it leaves a process, a mount or an execution's directory."""
    mounts = Path(f"/proc/{system.worker.pid}/mountinfo").read_text()
    assert await system.stop_worker() == 0
    assert str(system.root) not in mounts + Path("/proc/self/mountinfo").read_text()
    assert processes(str(system.root)) == []
    assert [place.name for place in system.worker_data.glob("executions/exec_*")] == []


def untouched(repository: Path, before: Mapping[str, str]) -> bool:
    """Whether the repository has the branches it had, and no other."""
    return branches_of(repository) == before


def kept(system: System, run: Run, path: str) -> str:
    """A file of a run's salvaged work, read from the worker's mirror."""
    assert run.execution["salvage_ref"] == f"refs/pullyard/salvage/{run.execution['id']}"
    for mirror in system.worker_data.glob("mirrors/*/repository.git"):
        name = f"{run.execution['salvage_ref']}:{path}"
        shown = subprocess.run(["git", "-C", mirror, "show", name], capture_output=True, check=False)
        if shown.returncode == 0:
            return shown.stdout.decode()
    raise AssertionError(f"{path} was not salvaged")
