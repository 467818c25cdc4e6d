"""Runs an agent as a worker does, in the real sandbox: its files, its program, its output read in pieces."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pullyard.agents.programs import inside
from pullyard.agents.protocol import TASK_DIRECTORY, Agent, Invocation, Verdict
from pullyard.agents.relocate import relocate
from pullyard.protocol.conversation import Entry
from pullyard.protocol.worker import TaskBrief, Usage
from pullyard.sandboxes.bubblewrap import Bubblewrap
from pullyard.sandboxes.protocol import (
    Command,
    ContainerSettings,
    Mount,
    Process,
    Sandbox,
    SandboxSpec,
    Workspace,
)
from pullyard.sandboxes.unsafe_directory import UnsafeDirectory
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.serve import Gateway
from pullyard.worker.gateway.upstream import Upstream
from pullyard.worker.programs.shelf import Shelf
from tests.docker_engine import BASE_IMAGE

GATEWAY_PORT = 7421
TASK = TaskBrief(id="task_1", number=1, title="Fix the greeting", description="It says helo.")
_SLOT_UID = 210_900


@dataclass
class Run:
    exit_code: int
    verdict: Verdict
    usage: Usage
    log: bytes = b""
    entries: list[Entry] = field(default_factory=list)
    output: bytes = b""

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries]


@dataclass
class Workplace:
    """A directory with ``ws`` as the working copy; as root it belongs to a slot's account."""

    root: Path
    program: Path | None = None
    """Put in the place of the agent's own program."""
    player: bytes | None = None
    """Put in the place of the file ``player.py``."""
    upstream: Upstream | None = None
    ledger: Ledger = field(default_factory=Ledger)
    sandbox: type[Sandbox] = Bubblewrap
    shelf: Shelf = field(default_factory=lambda: Shelf(Path("/nonexistent")))

    @property
    def ws(self) -> Path:
        (self.root / "ws").mkdir(exist_ok=True)
        return self.root / "ws"

    async def run(self, agent: Agent, settings: Mapping[str, Any], task: TaskBrief = TASK) -> Run:
        invocation = agent.invocation(task, settings, inside=Path("/ws"), gateway_port=GATEWAY_PORT)
        output = self.root / "output"
        async with AsyncExitStack() as stack:
            invocation = self._replaced(invocation, stack)
            sandbox = self.sandbox(self._spec(invocation))
            invocation = relocate(invocation, sandbox.path_of)
            stack.push_async_callback(sandbox.destroy)
            await sandbox.provision()
            process = await sandbox.start(self._command(invocation, output))
            stack.push_async_callback(process.kill)
            await self._serve(process, stack, invocation)
            exit_code = await process.wait()
        return read_run(agent, output.read_bytes(), exit_code)

    def _replaced(self, invocation: Invocation, stack: AsyncExitStack) -> Invocation:
        files, programs = dict(invocation.files), dict(invocation.programs)
        if self.player is not None:
            files["player.py"] = self.player
        if self.program is not None:
            if invocation.program is not None:
                programs[inside(invocation.program)] = self.program
            return replace(invocation, files=files, programs=dict.fromkeys(programs, self.program))
        return stack.enter_context(self.shelf.supplied(replace(invocation, files=files)))

    def _spec(self, invocation: Invocation) -> SandboxSpec:
        task, work = self.root / "task", self.root / "work"
        task.mkdir()
        work.mkdir()
        for name, content in invocation.files.items():
            (task / name).write_bytes(content)
        # Without a sandbox the slot's account would have to reach pytest's own directories.
        uid = _SLOT_UID if os.geteuid() == 0 and self.sandbox is not UnsafeDirectory else None
        if uid is not None:
            for path in [self.ws, work, *self.ws.rglob("*")]:
                os.chown(path, uid, uid)
        programs = [Mount(outside, inside) for inside, outside in invocation.programs.items()]
        workspace = Workspace(upper=self.ws, work=work)
        mounts = [Mount(task, TASK_DIRECTORY), *programs]
        return SandboxSpec(workspace, mounts, uid=uid, containers=ContainerSettings(image=BASE_IMAGE))

    def _command(self, invocation: Invocation, output: Path) -> Command:
        stdin = None
        if invocation.stdin is not None:
            (self.root / "stdin").write_bytes(invocation.stdin)
            stdin = os.open(self.root / "stdin", os.O_RDONLY)
        return Command(
            argv=invocation.argv,
            environment=invocation.environment,
            stdin=stdin,
            stdout=os.open(output, os.O_WRONLY | os.O_CREAT, 0o600),
            listen_port=GATEWAY_PORT if self.upstream else None,
        )

    async def _serve(self, process: Process, stack: AsyncExitStack, invocation: Invocation) -> None:
        if self.upstream is not None:
            assert invocation.gateway is not None
            assert process.listener is not None
            gateway = Gateway(process.listener, invocation.gateway, self.upstream, self.ledger)
            await stack.enter_async_context(gateway)


def read_run(agent: Agent, output: bytes, exit_code: int, piece_bytes: int = 1000) -> Run:
    run = Run(exit_code, Verdict(), Usage(), output=output)
    pieces = [output[at : at + piece_bytes] for at in range(0, len(output), piece_bytes)]
    for piece in [*pieces, b""]:
        told = agent.read(piece, 1.0)
        run.log += told.log
        run.entries += told.entries
    run.verdict, run.usage = agent.end(exit_code), agent.usage
    return run
