"""Where the agents' programs lie in the worker's data directory, and which are there.

``agents/NAME/VERSION/`` is one program with all that it needs, never written again once it has this name.
``agents/NAME/current`` is a link to the version that tasks get. Sandboxes see the directory itself, so tasks
that run keep theirs while another version is installed.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pullyard.agents.programs import AGENT_LABEL, inside, programs
from pullyard.agents.protocol import AgentMissing, Invocation

CURRENT = "current"
ABOUT = "about.json"


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

    def supply(self, invocation: Invocation) -> Invocation:
        """With the programs that it names among those to be shown. Raises AgentMissing."""
        named = [invocation.program] if invocation.program is not None else []
        found = {inside(name): self.find(name) for name in (*named, *invocation.further_programs)}
        return replace(invocation, programs={**invocation.programs, **found})

    def labels(self) -> list[str]:
        """What the worker says of itself, for tasks to find it."""
        return [AGENT_LABEL + name for name in sorted(programs()) if self.installed(name)]


def shelf_in(data_directory: Path) -> Shelf:
    """Of the worker with this data directory."""
    return Shelf(data_directory / "agents")
