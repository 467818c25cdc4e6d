"""Containers of Docker or Podman: no network, no capability, a read-only image, bounds kept by the kernel.

A container runs one command at a time. Where a command leaves nothing behind, the next one uses its container
again, and finds what it left in ``/tmp``; else that container ends, and with it everything the command
started. Commands that run at the same time have a container each, over one workspace.

As root the worker gives every slot an account of its own (``SandboxSpec.uid``), whose number is the same
inside. The engine's filter of system calls is used as it is: it lists what is allowed. The engine must be one
of this machine, because directories of the worker are mounted.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pullyard.sandboxes.disk_meter import DiskMeter
from pullyard.sandboxes.docker.accounts import account_inside, ask_facts
from pullyard.sandboxes.docker.attach import AttachRefused
from pullyard.sandboxes.docker.container import Container
from pullyard.sandboxes.docker.engine import Engine, EngineLost, EngineRefused, find_socket
from pullyard.sandboxes.docker.environments import HOME, Claim
from pullyard.sandboxes.docker.images import find_image
from pullyard.sandboxes.docker.leftovers import settle
from pullyard.sandboxes.docker.makers import Maker, Order, Stock, open_maker
from pullyard.sandboxes.docker.process import DockerProcess
from pullyard.sandboxes.docker.remedies import explain, lost
from pullyard.sandboxes.docker.streams import CommandStreams
from pullyard.sandboxes.docker.workspace import account_files
from pullyard.sandboxes.inner_listener import InnerListener
from pullyard.sandboxes.protocol import (
    WORKSPACE,
    Command,
    Mount,
    SandboxLost,
    SandboxSpec,
    SandboxUnavailable,
)

# What the engine adds to the environment by itself is taken out again. It reads output and errors by two
# pipes at once, so only what is one pipe inside keeps its order.
RUN = (
    *("sh", "-c"),
    'unset HOSTNAME TERM container; [ -z "$1" ] || export "HOSTNAME=$1"; [ -z "$2" ] || export "TERM=$2"; '
    '[ "$3" = apart ] || exec 2>&1; shift 3; exec "$@"',
    "sh",
)


ENGINE = "engine"


class DockerSandbox:
    name = "docker"

    def __init__(self, spec: SandboxSpec, stock: Stock | None = None) -> None:
        """Without a ``stock`` nothing is shared with other sandboxes: every container is made anew."""
        self.spec = spec
        self.stock = stock
        self.engine: Engine | None = None
        self.maker: Maker | None = None
        self.claim: Claim | None = None
        self.account = ""
        self.idle: list[Container] = []
        self.processes: list[DockerProcess] = []
        self.meter: asyncio.Task[None] | None = None
        self.outgrown: list[str] = []
        self.phases: dict[str, float] = {}

    async def provision(self) -> None:
        if os.geteuid() == 0 and not self.spec.uid:
            raise SandboxUnavailable("A worker that runs as root must give each sandbox an account: set uid.")
        self.engine = engine = self.stock.engine if self.stock else Engine(find_socket())
        with self.phase(ENGINE):
            await settle(engine, engine.patience_seconds)
            facts = await (self.stock.facts() if self.stock else ask_facts(engine))
        with self.phase("image"):
            image = await find_image(engine, self.image, self.spec.platform)
        self.account = account_inside(self.spec, facts)
        if self.stock and self.spec.environment:
            with self.phase("environment"):
                self.claim = await self.stock.environments.claim(self.spec.environment, self.spec.uid)
        mounts = [*account_files(self.spec, self.account, self.home), *self.spec.mounts]
        order = Order(engine, self.spec, image, facts, mounts, self.phase, self.claim)
        with self.explained("container"):
            self.maker, container = await open_maker(order, self.stock, self.account)
        self.idle.append(container)
        self.meter = asyncio.create_task(DiskMeter(self.metered, self.outgrow).run())

    @property
    def image(self) -> str:
        return self.spec.image or self.spec.containers.image

    @property
    def home(self) -> str:
        return HOME if self.claim else "/tmp"

    @property
    def metered(self) -> SandboxSpec:
        """What fills a project's volume counts like what fills the workspace."""
        if self.claim is None:
            return self.spec
        return replace(self.spec, mounts=[*self.spec.mounts, Mount(self.claim.home, HOME, writable=True)])

    async def container(self) -> Container:
        if self.maker is None:
            raise SandboxUnavailable("The sandbox is not provisioned: call provision() before start().")
        try:
            with self.explained("container"):
                return await self.maker.container()
        except AttachRefused as refused:
            message = f"A container can't be given its mounts: {refused}. Retry the task."
            raise SandboxUnavailable(message) from refused

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        with self.explained(name):
            yield
        self.phases[name] = time.perf_counter() - began

    @contextlib.contextmanager
    def explained(self, phase: str) -> Iterator[None]:
        try:
            yield
        except EngineRefused as refused:
            if isinstance(refused, EngineLost) and phase != ENGINE:
                raise SandboxLost(lost(refused)) from refused
            raise SandboxUnavailable(explain(phase, self.image, refused)) from refused

    async def start(self, command: Command) -> DockerProcess:
        container = self.idle.pop() if self.idle else await self.container()
        streams = CommandStreams(command.stdin, command.stdout, command.stderr)
        listener = None
        try:
            listener = await open_port(container, command.listen_port)
            with self.phase("exec"):
                name, connection = await container.run(self.words(command))
        except BaseException:
            streams.close()
            if listener is not None:
                os.close(listener)
            await asyncio.shield(container.end())
            raise
        process = DockerProcess(container, name, streams, connection, self)
        process.listener = listener
        if self.maker is not None:
            self.maker.refill()
        self.processes = [*(other for other in self.processes if not other.over), process]
        return process

    def words(self, command: Command) -> dict[str, Any]:
        variables = {"HOME": self.home, "LANG": "C.UTF-8", **command.environment}
        own = [variables.pop(name, "") for name in ("HOSTNAME", "TERM")]
        return {
            "Cmd": [*RUN, *own, "joined" if command.stderr is None else "apart", *command.argv],
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "WorkingDir": command.directory or WORKSPACE,
            "User": self.account,
            "AttachStdin": command.stdin is not None,
            "AttachStdout": True,
            "AttachStderr": True,
        }

    def give_back(self, container: Container) -> None:
        self.idle.append(container)

    async def outgrow(self, sentence: str) -> None:
        """The workspace holds more than it may: nothing goes on in it."""
        self.outgrown = [sentence]
        for process in self.processes:
            await process.kill()

    def limits_met(self) -> list[str]:
        return self.outgrown

    def inside(self, relative: str) -> str:
        return f"{WORKSPACE}/{relative}"

    def path_of(self, mounted: str) -> str:
        return mounted

    async def destroy(self) -> None:
        if self.meter is not None:
            self.meter.cancel()
            await asyncio.gather(self.meter, return_exceptions=True)
        try:
            with self.explained("destroy"):
                await asyncio.gather(*(process.kill() for process in self.processes))
                await self.leave()
        finally:
            engine, self.engine = self.engine, None
            if engine is not None and self.stock is None:
                await engine.close()

    async def leave(self) -> None:
        maker, self.maker = self.maker, None
        idle, self.idle = self.idle, []
        kept = None
        try:
            if maker is not None:
                kept = await maker.close(idle, keep=not self.outgrown)
        finally:
            claim, self.claim = self.claim, None
            if claim is not None and self.stock is not None:
                environments = self.stock.environments
                # Outgrown, it would end every task that comes after.
                await (environments.discard(claim) if self.outgrown else environments.release(claim, kept))


async def open_port(container: Container, port: int | None) -> int | None:
    """A listening socket in the container's network."""
    if port is None:
        return None
    if not container.seen:
        raise SandboxUnavailable(
            "The engine's processes are not this worker's to see, so no port can be opened in a container: "
            "run the worker on the engine's own machine and not in a container."
        )
    helper = InnerListener(port)
    try:
        return await helper.open(container.process_id)
    except SandboxUnavailable as failed:
        raise SandboxUnavailable(
            f"{failed} Run the worker as root, or as the account of a rootless engine."
        ) from failed
    finally:
        await helper.close()
