"""The worker's git side as one piece for tests: mirror, working copy, a real sandbox, harvest."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pullyard.git.program import Git
from pullyard.protocol.isolation import DEFAULT_PROTECTED_PATHS
from pullyard.sandboxes.protocol import Command, ContainerSettings, Sandbox, SandboxSpec, Workspace
from pullyard.sandboxes.registry import SANDBOXES
from pullyard.worker.harvest import CommitText, Harvested, Source, harvest
from pullyard.worker.harvest_rules import HarvestLimits
from pullyard.worker.mirrors import Mirror, Mirrors
from pullyard.worker.workspaces import BASE_INDEX, Start, Workspaces
from tests.docker_engine import BASE_IMAGE
from tests.repositories import make_repository

SLOT_UID = 210_077 if os.geteuid() == 0 else None
FILES = {
    "README.md": "# A project\n",
    "src/app.py": "def add(a, b):\n    return a - b\n",
    "src/deep/er/x.txt": "x\n" * 10,
    "run.sh": "#!/bin/sh\n",
    "data.bin": bytes(range(256)),
}
TEXT = CommitText("Fix add", "It subtracted.", 1_700_000_000)


@dataclass
class Workbench:
    place: Path
    repository: Path
    git: Git
    mirrors: Mirrors
    workspaces: Workspaces
    backend: str = "bubblewrap"

    @classmethod
    def make(cls, place: Path, *, overlay: bool = True, backend: str = "bubblewrap") -> "Workbench":
        git = Git()
        mirrors = Mirrors(place / "mirrors", git, 1 << 30)
        workspaces = Workspaces(place / "checkouts", git, mirrors, overlay=overlay)
        return cls(place, make_repository(place / "repository", FILES), git, mirrors, workspaces, backend)

    def directory(self, name: str) -> Path:
        return self.place / "executions" / name

    async def prepare(self, name: str = "one", *, resume: str | None = None) -> tuple[Workspace, Source]:
        mirror = await self.mirrors.refresh(str(self.repository))
        base_branch, commit = mirror.resolve(None)
        start = Start(commit, base_branch, f"pullyard/1-{name}")
        directory = self.directory(name)
        workspace = await self.workspaces.prepare(mirror, start, directory, SLOT_UID, resume=resume)
        return workspace, Source(mirror, commit, directory / BASE_INDEX, directory / "harvest.git")

    async def verification(self, source: Source, commit: str, name: str = "verify") -> Workspace:
        start = Start(source.base_commit, "main", "pullyard/1-one")
        return await self.workspaces.verification(
            source.mirror, source.repository, start, commit, self.directory(name), SLOT_UID
        )

    @asynccontextmanager
    async def sandbox(self, workspace: Workspace, mirror: Mirror) -> AsyncIterator[Sandbox]:
        containers = ContainerSettings(image=BASE_IMAGE)
        spec = SandboxSpec(workspace, mounts=[mirror.objects], uid=SLOT_UID, containers=containers)
        sandbox = SANDBOXES[self.backend](spec)
        try:
            await sandbox.provision()
            yield sandbox
        finally:
            await sandbox.destroy()

    async def work(
        self, script: str, limits: HarvestLimits | None = None, *, resume: str | None = None
    ) -> Harvested | None:
        """Let an agent that is this shell script work, then harvest."""
        workspace, source = await self.prepare(resume=resume)
        async with self.sandbox(workspace, source.mirror) as sandbox:
            await run_inside(sandbox, script)
            return await harvest(sandbox, self.git, source, TEXT, limits, guarded=DEFAULT_PROTECTED_PATHS)


async def run_inside(sandbox: Sandbox, script: str) -> tuple[int, str]:
    """Run a shell script in the working copy: its exit code and all that it printed."""
    reader, writer = os.pipe()
    try:
        process = await sandbox.start(Command(("sh", "-c", script), stdout=writer))
    finally:
        os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        output = await asyncio.to_thread(stream.read)
    return await process.wait(), output.decode("utf-8", "replace")
