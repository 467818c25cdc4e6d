"""The working copies of one execution: of the project's repository, and of the task's further ones."""

from dataclasses import dataclass, field
from pathlib import Path

from pullyard.protocol.worker import Diffstat
from pullyard.sandboxes.protocol import Mount, Workspace
from pullyard.worker.journal import CopyRecord
from pullyard.worker.mirrors import MIRROR_INSIDE, Mirror

AGENT_DIRECTORY = "ws"
VERIFY_DIRECTORY = "verify"
HARVEST = "harvest.git"
REPOSITORIES = "repositories"
"""Below the execution's directory, and at the root of a sandbox."""


@dataclass(eq=False)
class Copy:
    """``name`` None is the project's own repository, which a sandbox shows as its workspace."""

    name: str | None
    url: str
    forge: str
    wanted_branch: str | None
    """The base branch that was asked for; None is the repository's default one."""
    verify_commands: list[list[str]] | None
    record: CopyRecord
    directory: Path
    """Holds the agent's copy, the clean checkout and the harvest; laid out as the execution's own."""
    mirror: Mirror = field(init=False)
    """Set by the phase prepare, or when a restarted worker opens the execution again."""
    workspace: Workspace | None = None
    unmerged: bytes = b""
    """Of a merge with conflicts, for an index: all versions of the files that have them."""
    checkout: Workspace | None = None
    """The clean one that was verified last."""
    described: tuple[Diffstat, str, bool] | None = None
    """What the harvest saw of the change; a restarted worker works it out again."""

    @property
    def agent_directory(self) -> Path:
        return self.directory / AGENT_DIRECTORY

    @property
    def verify_directory(self) -> Path:
        return self.directory / VERIFY_DIRECTORY

    @property
    def harvest(self) -> Path:
        return self.directory / HARVEST

    @property
    def start_commit(self) -> str:
        """Where the working copy starts and what the harvest is made on."""
        start = self.record.start_commit or self.record.base_commit
        assert start is not None
        return start

    @property
    def inside(self) -> str:
        """Where a sandbox that shows all copies has this one; empty for the workspace itself."""
        return f"/{REPOSITORIES}/{self.name}" if self.name else ""

    @property
    def objects(self) -> Mount:
        """The mirror's objects where all copies are shown together: each at a place of its own."""
        place = f"/mirror/{self.name}/objects" if self.name else MIRROR_INSIDE
        return Mount(self.mirror.path / "objects", place)

    @property
    def label(self) -> str:
        """For people: which repository a sentence is about."""
        return self.name or "the project's repository"
