"""One container that commands are run in, and everything that closes it off.

Its first process only waits for the end of its input, which the worker holds: when the worker is gone, so is
the container, however the worker ended. That process has an account that no command has, so no command can
take hold of it.
"""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pullyard.sandboxes.cgroups.find import Hierarchy, groups_of, words
from pullyard.sandboxes.cgroups.group import Group
from pullyard.sandboxes.children import own_mark, readable
from pullyard.sandboxes.docker.engine import Connection, Engine, EngineLost, EngineRefused
from pullyard.sandboxes.docker.images import Image
from pullyard.sandboxes.protocol import WORKSPACE, Limits, Mount, SandboxSpec

OWNER_LABEL, WORKER_LABEL = "pullyard.owner", "pullyard.worker"
ENVIRONMENT_LABEL = "pullyard.environment"
"""Of the volume that a project's tasks share, with the project's id."""
KEEPER = "65534:65534"
OWN_PROCESSES = 2
"""The init and the process that waits."""
WAIT = ("sh", "-c", "exec cat >/dev/null")
END_SECONDS = 20.0
ENDING_SECONDS = 0.5
"""The first process ends a moment after all that it ends."""
ENGINE_FAILED = 500
REMOVALS, REMOVAL_SECONDS = 3, 0.2
QUIET_SECONDS, QUIET_LOOK_SECONDS = 10.0, 0.01
READ_BYTES = 65536

MASKED = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys"),
    *("/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"),
    *("/sys/firmware", "/sys/fs/selinux", "/sys/devices/virtual/powercap"),
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def labels(spec: SandboxSpec) -> dict[str, str]:
    return {OWNER_LABEL: spec.owner, WORKER_LABEL: spec.worker or own_mark().removesuffix("-")}


def configuration(spec: SandboxSpec, image: Image, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Image": image.id,
        "Entrypoint": list(WAIT),
        "Cmd": [],
        "User": KEEPER,
        "WorkingDir": "/",
        "Labels": labels(spec),
        "Hostname": "sandbox",
        "NetworkDisabled": True,
        "Healthcheck": {"Test": ["NONE"]},
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "HostConfig": host_configuration(spec, image, mounts),
    }


def host_configuration(spec: SandboxSpec, image: Image, mounts: list[dict[str, Any]]) -> dict[str, Any]:
    limits = spec.limits
    memory = limits.memory_bytes or 0
    runtime = {"Runtime": spec.containers.runtime} if spec.containers.runtime else {}
    return runtime | {
        "NetworkMode": "none",
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "MaskedPaths": list(MASKED),
        "ReadonlyPaths": list(READ_ONLY),
        "ReadonlyRootfs": True,
        "Init": True,
        "PidsLimit": limits.processes,
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": round((limits.cpus or 0) * 1e9),
        "ShmSize": limits.shared_memory_bytes,
        "Tmpfs": temporary_places(limits, image),
        "Ulimits": [
            ulimit("nofile", limits.open_files),
            ulimit("fsize", limits.file_size_bytes),
            ulimit("core", 0),
        ],
        "Mounts": mounts,
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
    }


def ulimit(name: str, most: int) -> dict[str, Any]:
    return {"Name": name, "Soft": most, "Hard": most}


def temporary_places(limits: Limits, image: Image) -> dict[str, str]:
    """A place that the image declares as a volume would else be one on the disk, without any bound."""
    options = f"rw,nosuid,nodev,exec,mode=1777,size={limits.temporary_bytes}"
    places = {"/tmp", "/var/tmp", *image.volumes}
    return {place: options for place in places if place.strip("/") not in ("", WORKSPACE.strip("/"))}


def bind(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.outside.resolve()),
        "Target": mount.inside,
        "ReadOnly": not mount.writable,
        "BindOptions": {"Propagation": "rprivate"},
    }


class Container:
    """Running. ``process_id`` is that of its first process as this machine has it."""

    def __init__(self, engine: Engine, name: str, input_: Connection, limits: Limits) -> None:
        self.engine = engine
        self.name = name
        self.input = input_
        self.process_id = 0
        self.init: int | None = None
        self.bounds = Group(name, limits)
        self.exceeded: list[str] = []
        """The limits that were run into, as sentences."""
        self.ending: asyncio.Task[None] | None = None

    async def started(self) -> None:
        """Learn of its first process, once it runs."""
        state = await self.running()
        self.process_id = int(state["Pid"])
        if is_of(self.process_id, self.name):
            with contextlib.suppress(OSError):
                self.init = os.pidfd_open(self.process_id)
                self.bounds.opened = [
                    (Hierarchy(version, group, names), group)
                    for version, names, group in groups_of(self.process_id)
                ]

    async def running(self) -> Mapping[str, Any]:
        """What the engine knows of it. Raises EngineRefused, with how it ended."""
        state = (await self.engine.call("GET", f"/containers/{self.name}/json"))["State"]
        if not state["Running"]:
            raise EngineRefused(
                0, f"it ended at once with exit code {state['ExitCode']} {state['Error']}".strip()
            )
        return state

    @property
    def seen(self) -> bool:
        """Whether the engine's processes are this machine's, to be watched and looked at."""
        return self.init is not None

    async def cut_off(self) -> None:
        """Until the engine lets go of its input: then the engine is gone, or the container."""
        with contextlib.suppress(OSError):
            await self.input[0].read(1)

    async def was_ended(self) -> bool:
        """Whether somebody outside did it: nothing that runs inside can end its first process."""
        if self.init is None:
            return self.input[0].at_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                await readable(self.init)
                return True
        return False

    async def run(self, command: Mapping[str, Any]) -> tuple[str, Connection]:
        """``command`` as the engine's API has it. Returns its name there and its streams' connection."""
        try:
            name = (await self.engine.call("POST", f"/containers/{self.name}/exec", dict(command)))["Id"]
            return name, await self.engine.take_over(f"/exec/{name}/start", {"Detach": False, "Tty": False})
        except EngineLost:
            raise
        except EngineRefused:
            # Its own end, which may come a moment after its start was seen, says more.
            await self.running()
            raise

    async def quietly(self, argv: Sequence[str], account: str) -> int:
        """The exit code of a short command whose output nobody wants. Raises EngineRefused, TimeoutError."""
        wish = {"Cmd": list(argv), "User": account, "WorkingDir": "/", "AttachStdout": True}
        name, (reader, writer) = await self.run(wish)
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                while await reader.read(READ_BYTES):
                    pass
                while True:
                    state = await self.engine.call("GET", f"/exec/{name}/json")
                    if not state["Running"]:
                        return int(state["ExitCode"])
                    await asyncio.sleep(QUIET_LOOK_SECONDS)
        finally:
            writer.close()

    def empty(self) -> bool:
        """Whether nothing runs in it but its own two processes, as the kernel counts."""
        return any(words(group / "pids.current") == [str(OWN_PROCESSES)] for _, group in self.bounds.opened)

    def look(self) -> None:
        """At the engine's control group for it, which goes with it."""
        self.exceeded += self.bounds.exceeded()

    def told(self) -> list[str]:
        """What was run into since this was last asked."""
        news, self.exceeded = self.exceeded, []
        return news

    async def end(self) -> None:
        """It and all that runs in it, at once. Repeatable: whoever calls waits until it is gone."""
        if self.ending is None:
            self.ending = asyncio.create_task(self.end_now())
        await asyncio.shield(self.ending)

    async def end_now(self) -> None:
        self.look()
        if self.init is not None:
            # Where we may, we need not wait for the engine, nor for it to be there at all.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self.init, signal.SIGKILL)
        self.input[1].close()
        try:
            await remove_container(self.engine, self.name)
        finally:
            if self.init is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(END_SECONDS):
                        await readable(self.init)
                os.close(self.init)
                self.init = None


async def make_container(
    engine: Engine,
    configured: Mapping[str, Any],
    limits: Limits,
    platform: str | None,
    phase: Callable[[str], Any],
) -> Container:
    """``phase`` gives a context for each step. Nothing is left of it where it fails."""
    # Given by us: it can be found by it, where the engine makes it and is gone before it says so.
    given = f"pullyard-{secrets.token_hex(12)}"
    with phase("create"):
        query = {"name": given, **({"platform": platform} if platform else {})}
        try:
            made = await engine.call("POST", "/containers/create", dict(configured), query=query)
        except EngineLost:
            engine.owed.containers.add(given)
            raise
    name = str(made["Id"])
    container = None
    try:
        with phase("start"):
            input_ = await engine.take_over(f"/containers/{name}/attach?stream=1&stdin=1")
            container = Container(engine, name, input_, limits)
            await engine.call("POST", f"/containers/{name}/start")
            await container.started()
    except BaseException:
        await asyncio.shield(container.end() if container else remove_container(engine, name))
        raise
    return container


async def remove_container(engine: Engine, name: str) -> None:
    """By force; one that is gone or going is no mistake, and one of an engine that is away is owed."""
    engine.owed.containers.add(name)
    for left in reversed(range(REMOVALS)):
        try:
            await engine.call("DELETE", f"/containers/{name}", query={"force": "true", "v": "true"})
            break
        except EngineLost:
            return
        except EngineRefused as refused:
            if refused.status in (404, 409):
                break
            # Podman stumbles over a container that ends just then.
            if refused.status != ENGINE_FAILED or not left:
                raise
        await asyncio.sleep(REMOVAL_SECONDS)
    engine.owed.containers.discard(name)


def is_of(process_id: int, container: str) -> bool:
    """Whether the engine's number means that process here, too: the engine may count in another namespace."""
    try:
        return container in Path(f"/proc/{process_id}/cgroup").read_text()
    except OSError:
        return False
