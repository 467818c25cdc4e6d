"""What the phases of one execution share: the worker's tools, the execution's record, its logs."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pullyard.git.program import Git
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.worker import Grant
from pullyard.sandboxes.protocol import Probe, Sandbox, Workspace
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.gateway.upstream import Upstream
from pullyard.worker.journal import JOURNAL, Journal, Record
from pullyard.worker.lease import Lease
from pullyard.worker.logs import LogFile
from pullyard.worker.mirrors import Mirror, Mirrors
from pullyard.worker.settings import WorkerSettings
from pullyard.worker.stop import Stop
from pullyard.worker.workspaces import Workspaces

AGENT_DIRECTORY = "ws"
VERIFY_DIRECTORY = "verify"


@dataclass(frozen=True)
class Tools:
    """Made once a worker, shared by its executions."""

    settings: WorkerSettings
    client: CoordinatorClient
    lease: Lease
    git: Git
    mirrors: Mirrors
    workspaces: Workspaces
    sandbox: type[Sandbox]
    measured: Probe
    """What the sandbox was found to be when the worker started."""
    upstream: Upstream


@dataclass
class Context:
    tools: Tools
    journal: Journal
    stop: Stop
    mirror: Mirror = field(init=False)
    """Set by the phase prepare, or when a restarted worker opens the execution again."""
    workspace: Workspace | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    keep_directory: bool = False
    """Set where the work could not be salvaged: then its directory stays for a person."""

    @property
    def uid(self) -> int | None:
        """The slot's account, where the worker is root."""
        return self.tools.settings.first_uid + self.record.slot if os.geteuid() == 0 else None

    @property
    def record(self) -> Record:
        return self.journal.record

    @property
    def grant(self) -> Grant:
        return self.journal.record.grant

    @property
    def directory(self) -> Path:
        return self.journal.directory

    def log(self, phase: Phase) -> LogFile:
        return LogFile(self.directory / "logs", phase.value)

    def close(self) -> None:
        """Forget the execution, but for work that nobody else has."""
        for name in (AGENT_DIRECTORY, VERIFY_DIRECTORY):
            self.tools.workspaces.release(self.directory / name)
        if self.keep_directory:
            (self.directory / JOURNAL).unlink()
        else:
            self.journal.remove()
