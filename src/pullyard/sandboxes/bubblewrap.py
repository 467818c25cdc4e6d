"""Bubblewrap: own namespaces, no network, no capability, a read-only system and a system-call filter.

As root the worker gives every slot an account of its own (``SandboxSpec.uid``); the directories of the
workspace and the writable mounts must already belong to it. As an ordinary user everything runs as that user,
mapped into a user namespace. Inside, the account is always number 1000, called ``agent``.
"""

import asyncio
import os
import resource
import subprocess
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from typing import Self

from pullyard.sandboxes import seccomp
from pullyard.sandboxes.bubblewrap_process import BubblewrapProcess, StatusPipe
from pullyard.sandboxes.cgroups.group import Group
from pullyard.sandboxes.children import MARK, SYSTEM_PATH, Child, Setting, Streams
from pullyard.sandboxes.disk_meter import DiskMeter
from pullyard.sandboxes.inner_listener import InnerListener
from pullyard.sandboxes.mount_namespace import MountNamespace
from pullyard.sandboxes.protocol import WORKSPACE, Command, Limits, SandboxSpec, SandboxUnavailable
from pullyard.sandboxes.remedies import explain, missing_programs

PATH = "/usr/local/bin:/usr/bin:/bin"

ISOLATION = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"),
)
"""Own namespaces of every kind, no capability, no way to make further user namespaces."""

# A shell inside sets the limits and runs the command: a program outside would make each start longer, and
# only so does a missing program exit 127 as everywhere else. Shells name the limit on processes -u or -p.
RUN = (
    *("sh", "-c"),
    '{ ulimit -u "$1" 2>/dev/null || ulimit -p "$1"; } && ulimit -n "$2" && ulimit -f "$3" && ulimit -c 0'
    ' || exit 126; shift 3; exec "$@"',
    "sh",
)
SPARE_PROCESSES = 64
SHELL_BLOCK_BYTES = 512
"""The unit of a shell's limit on files."""


class Gate:
    """A pipe that a starting sandbox waits at."""

    def __init__(self) -> None:
        self.closed, self.key = os.pipe()

    def __enter__(self) -> Self:
        return self

    def open(self) -> None:
        os.write(self.key, b"1")

    def __exit__(self, *raised: object) -> None:
        os.close(self.closed)
        os.close(self.key)


class Bubblewrap:
    name = "bubblewrap"

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.phases: dict[str, float] = {}
        self.mounts = MountNamespace(spec)
        self.group = Group(self.mounts.mark, spec.limits)
        self.meter: asyncio.Task[None] | None = None
        self.outgrown: list[str] = []
        self.processes: list[BubblewrapProcess] = []

    async def provision(self) -> None:
        if missing_programs():
            raise SandboxUnavailable(explain("programs are missing"))
        if os.geteuid() == 0 and not self.spec.uid:
            raise SandboxUnavailable("A worker that runs as root must give each sandbox an account: set uid.")
        self.group.open()
        await self.mounts.open()
        self.meter = asyncio.create_task(DiskMeter(self.spec, self.outgrow).run())

    async def outgrow(self, sentence: str) -> None:
        """The workspace holds more than it may: nothing goes on in it."""
        self.outgrown = [sentence]
        for process in self.processes:
            await process.kill()

    def limits_met(self) -> list[str]:
        return [*self.outgrown, *self.group.exceeded()]

    async def start(self, command: Command) -> BubblewrapProcess:
        async with AsyncExitStack() as opened:
            gate = opened.enter_context(Gate())
            status = StatusPipe()
            listener = None
            if command.listen_port is not None:
                listener = InnerListener(command.listen_port)
                opened.push_async_callback(listener.close)
            try:
                outer = self.spawn(command, status, gate)
            except BaseException:
                status.close()
                raise
            finally:
                status.started()
            # Moving a process takes the kernel ten milliseconds; this one makes its namespaces meanwhile.
            entering = asyncio.create_task(asyncio.to_thread(self.group.enter, outer.id))
            process = BubblewrapProcess(outer, status, self.limits_met)
            self.processes = [*(other for other in self.processes if other.exit_code is None), process]
            try:
                await self.admit(process, entering, gate, listener)
            except BaseException:
                await asyncio.gather(entering, return_exceptions=True)
                await process.kill()
                raise
            return process

    async def admit(
        self,
        process: BubblewrapProcess,
        entering: asyncio.Task[None],
        gate: Gate,
        listener: InnerListener | None,
    ) -> None:
        """Put it under its limits, open the sandbox's port, and only then let the command run."""
        init = await process.status.namespace_init()
        await entering
        if init is None:
            await process.wait()
            return
        process.watch(init)
        # It may have been born before the process that made it was moved.
        self.group.enter(init)
        process.listener = await listener.open(init) if listener else None
        gate.open()

    def spawn(self, command: Command, status: StatusPipe, gate: Gate) -> Child:
        with ExitStack() as opened:
            rules = memory_file(opened, "filter", seccomp.program())
            view = [
                *("--json-status-fd", str(status.writer), "--block-fd", str(gate.closed), *ISOLATION),
                *("--seccomp", str(rules)),
                *writable_view(self.spec, self.mounts.stage + "/root"),
                *environment(command),
            ]
            # In a file and not on the command line, which every account of the host may read.
            arguments = memory_file(opened, "arguments", b"".join(os.fsencode(word) + b"\0" for word in view))
            streams = Streams(
                stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
                stdout=subprocess.DEVNULL if command.stdout is None else command.stdout,
                stderr=subprocess.STDOUT if command.stderr is None else command.stderr,
                passed=[rules, arguments, status.writer, gate.closed],
            )
            inner = ["bwrap", "--args", str(arguments), "--", *RUN, *self.bounds(), *command.argv]
            marked = Setting({"PATH": SYSTEM_PATH, MARK: self.mounts.mark})
            return Child([*self.mounts.entering(), *inner], streams, marked)

    def bounds(self) -> list[str]:
        """The account's limit on processes stands behind the group's, which alone tells that it was met."""
        limits = self.spec.limits
        if self.group.bounds("pids"):
            limits = replace(limits, processes=limits.processes + SPARE_PROCESSES)
        return bounds(limits)

    def inside(self, relative: str) -> str:
        return f"{WORKSPACE}/{relative}"

    def path_of(self, mounted: str) -> str:
        return mounted

    async def destroy(self) -> None:
        for process in self.processes:
            await process.kill()
        self.processes = []
        if self.meter is not None:
            self.meter.cancel()
            await asyncio.gather(self.meter, return_exceptions=True)
        await self.mounts.close()
        await self.group.close()


def writable_view(spec: SandboxSpec, root: str) -> list[str]:
    """The prepared root, read-only, and over it what may be written: sized memory, the workspace, mounts."""
    shared, temporary = str(spec.limits.shared_memory_bytes), str(spec.limits.temporary_bytes)
    view = [
        *("--ro-bind", root, "/", "--bind", root + WORKSPACE, WORKSPACE),
        *("--proc", "/proc", "--dev-bind", root + "/dev", "/dev"),
        *("--perms", "1777", "--size", shared, "--tmpfs", "/dev/shm"),
        *("--perms", "1777", "--size", temporary, "--tmpfs", "/tmp"),
    ]
    for mount in spec.mounts:
        if mount.writable:
            view += ["--bind", root + mount.inside, mount.inside]
    return [*view, "--remount-ro", "/dev"]


def environment(command: Command) -> list[str]:
    variables = {"PATH": PATH, "HOME": "/tmp", "LANG": "C.UTF-8", **command.environment}
    setting = ["--clearenv"]
    for name, value in variables.items():
        setting += ["--setenv", name, value]
    return [*setting, "--chdir", command.directory or WORKSPACE]


def bounds(limits: Limits) -> list[str]:
    """In the order RUN takes them; what already binds the worker can't be raised."""
    wanted = {
        resource.RLIMIT_NPROC: limits.processes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
    }
    hard = {kind: resource.getrlimit(kind)[1] for kind in wanted}
    most = {
        kind: value if hard[kind] == resource.RLIM_INFINITY else min(value, hard[kind])
        for kind, value in wanted.items()
    }
    most[resource.RLIMIT_FSIZE] //= SHELL_BLOCK_BYTES
    return [str(value) for value in most.values()]


def memory_file(opened: ExitStack, name: str, content: bytes) -> int:
    """A file without a path, read from its start."""
    descriptor = os.memfd_create(name)
    opened.callback(os.close, descriptor)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
