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
from typing import Any

from pullyard.sandboxes.disk_meter import DiskMeter
from pullyard.sandboxes.docker.accounts import account_inside, ask_facts
from pullyard.sandboxes.docker.container import Container, bind, configuration, make_container
from pullyard.sandboxes.docker.engine import Engine, EngineRefused, find_socket
from pullyard.sandboxes.docker.images import find_image
from pullyard.sandboxes.docker.process import DockerProcess
from pullyard.sandboxes.docker.remedies import explain
from pullyard.sandboxes.docker.streams import CommandStreams
from pullyard.sandboxes.docker.workspace import OverlayVolume, account_files, check_exists
from pullyard.sandboxes.inner_listener import InnerListener
from pullyard.sandboxes.protocol import WORKSPACE, Command, Mount, SandboxSpec, SandboxUnavailable

# What the engine adds to the environment by itself is taken out again. It reads output and errors by two
# pipes at once, so only what is one pipe inside keeps its order.
RUN = (
    *("sh", "-c"),
    'unset HOSTNAME container; [ -z "$1" ] || export "HOSTNAME=$1"; [ "$2" = apart ] || exec 2>&1; shift 2; '
    'exec "$@"',
    "sh",
)


class DockerSandbox:
    name = "docker"

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.engine: Engine | None = None
        self.volume: OverlayVolume | None = None
        self.configured: dict[str, Any] = {}
        self.account = ""
        self.idle: list[Container] = []
        self.processes: list[DockerProcess] = []
        self.meter: asyncio.Task[None] | None = None
        self.outgrown: list[str] = []
        self.phases: dict[str, float] = {}
        """How many seconds each step of the last start took."""

    async def provision(self) -> None:
        if os.geteuid() == 0 and not self.spec.uid:
            raise SandboxUnavailable("A worker that runs as root must give each sandbox an account: set uid.")
        self.engine = Engine(find_socket())
        with self.phase("engine"):
            facts = await ask_facts(self.engine)
        with self.phase("image"):
            image = await find_image(self.engine, self.image, self.spec.platform)
        self.account = account_inside(self.spec, facts)
        with self.phase("workspace"):
            mounts = [await self.workspace_mount(self.engine), *self.extra_mounts()]
        self.configured = configuration(self.spec, image, mounts)
        if facts.keeps_accounts:
            self.configured["HostConfig"]["UsernsMode"] = "keep-id"
        self.idle.append(await self.container())
        self.meter = asyncio.create_task(DiskMeter(self.spec, self.outgrow).run())

    @property
    def image(self) -> str:
        return self.spec.image or self.spec.containers.image

    async def workspace_mount(self, engine: Engine) -> dict[str, Any]:
        if self.spec.workspace.lower is None:
            check_exists(self.spec.workspace.upper)
            return bind(Mount(self.spec.workspace.upper, WORKSPACE, writable=True))
        self.volume = OverlayVolume(engine, self.spec)
        await self.volume.make()
        return self.volume.mount()

    def extra_mounts(self) -> list[dict[str, Any]]:
        for mount in self.spec.mounts:
            check_exists(mount.outside)
        return [bind(mount) for mount in [*account_files(self.spec, self.account), *self.spec.mounts]]

    async def container(self) -> Container:
        if self.engine is None:
            raise SandboxUnavailable("The sandbox is not provisioned: call provision() before start().")
        return await make_container(self.engine, self.spec, self.configured, self.phase)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        except EngineRefused as refused:
            raise SandboxUnavailable(explain(name, self.image, refused)) from refused
        self.phases[name] = time.perf_counter() - began

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
        self.processes = [*(other for other in self.processes if not other.over), process]
        return process

    def words(self, command: Command) -> dict[str, Any]:
        variables = {"HOME": "/tmp", "LANG": "C.UTF-8", **command.environment}
        own_name = variables.pop("HOSTNAME", "")
        return {
            "Cmd": [*RUN, own_name, "joined" if command.stderr is None else "apart", *command.argv],
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
            await asyncio.gather(*(process.kill() for process in self.processes))
            idle, self.idle = self.idle, []
            await asyncio.gather(*(container.end() for container in idle))
            if self.volume is not None:
                await self.volume.remove()
        except EngineRefused as refused:
            raise SandboxUnavailable(explain("destroy", self.image, refused)) from refused
        finally:
            engine, self.engine = self.engine, None
            if engine is not None:
                await engine.close()


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
