"""Where the agents' programs lie in the worker's data directory, and which are there.

``agents/NAME/VERSION/`` is one program with all that it needs, never written again once it has this name.
``agents/NAME/current`` is a link to the version that tasks get. Sandboxes see the directory itself, so tasks
that run keep theirs while another version is installed; they share the lock ``agents/NAME/VERSION.use``, and
whoever makes or removes a version holds ``agents/NAME/lock``.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pullyard.agents.programs import AGENT_LABEL, inside, programs
from pullyard.agents.protocol import AgentMissing, Invocation
from pullyard.files.locks import take
from pullyard.worker import trees

CURRENT = "current"
ABOUT = "about.json"
LOCK = "lock"
HALF = ".half-"
"""The beginning of a name of what is being made or removed."""


@dataclass(frozen=True)
class Installed:
    name: str
    version: str
    path: Path


class Shelf:
    """``directory`` needn't exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def home(self, name: str) -> Path:
        return self.directory / name

    def installed(self, name: str) -> Installed | None:
        """What tasks get; None where nothing whole is there."""
        with suppress(OSError):
            version = os.readlink(self.home(name) / CURRENT)
            path = self.home(name) / version
            if "/" not in version and (path / ABOUT).is_file():
                return Installed(name, version, path)
        return None

    def versions(self, name: str) -> Sequence[str]:
        """All that are there whole, in no order that means anything."""
        with suppress(OSError):
            return sorted(
                path.name
                for path in self.home(name).iterdir()
                if not path.is_symlink() and (path / ABOUT).is_file()
            )
        return []

    def find(self, name: str) -> Path:
        """The directory to show. Raises AgentMissing with the command that installs it."""
        found = self.installed(name)
        if found is None:
            raise AgentMissing(
                f"The agent {name} is not installed on this worker: "
                f"run 'pullyard worker agents install {name}' there."
            )
        return found.path

    @contextmanager
    def supplied(self, invocation: Invocation) -> Iterator[Invocation]:
        """With the programs that it names among those to be shown, and kept. Raises AgentMissing."""
        named = [invocation.program] if invocation.program is not None else []
        with ExitStack() as held:
            found = {inside(name): self._hold(name, held) for name in (*named, *invocation.further_programs)}
            yield replace(invocation, programs={**invocation.programs, **found})

    def _hold(self, name: str, held: ExitStack) -> Path:
        while True:
            path = self.find(name)
            try:
                lock = take(use_of(path), shared=True)
            except OSError:
                # Of another account, which then has to look after it.
                return path
            if lock is None:
                # Another version was chosen just now, and this one is being removed.
                continue
            held.callback(lock.release)
            with suppress(OSError):
                os.utime(use_of(path))
            if (path / ABOUT).is_file():
                return path

    def labels(self) -> list[str]:
        """What the worker says of itself, for tasks to find it."""
        return [AGENT_LABEL + name for name in sorted(programs()) if self.installed(name)]


def use_of(version: Path) -> Path:
    return version.with_name(f"{version.name}.use")


def give_up(version: Path) -> str | None:
    """Remove a version that tasks don't get any more; or why it stays. Raises OSError."""
    home = version.parent
    making = take(home / LOCK)
    if making is None:
        return "an install is under way"
    try:
        if os.readlink(home / CURRENT) == version.name:
            return "tasks get it"
        using = take(use_of(version))
        if using is None:
            return "in use"
        try:
            gone = version.with_name(f"{HALF}{version.name}-gone")
            version.rename(gone)
            use_of(version).unlink()
        finally:
            using.release()
        trees.remove(gone)
    finally:
        making.release()
    return None


def shelf_in(data_directory: Path) -> Shelf:
    """Of the worker with this data directory."""
    return Shelf(data_directory / "agents")
