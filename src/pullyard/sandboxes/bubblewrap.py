"""Bubblewrap: own namespaces, no network, no capability, a read-only system and a system-call filter.

As root the worker gives every slot an account of its own (``SandboxSpec.uid``); the directories of the
workspace and the writable mounts must already belong to it. As an ordinary user everything runs as that user,
mapped into a user namespace. Inside, the account is always number 1000, called ``agent``.
"""

import os
import subprocess
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack

from pullyard.sandboxes import seccomp
from pullyard.sandboxes.bubblewrap_process import BubblewrapProcess, StatusPipe
from pullyard.sandboxes.children import Child, Streams
from pullyard.sandboxes.inner_listener import InnerListener
from pullyard.sandboxes.mount_namespace import MountNamespace
from pullyard.sandboxes.protocol import WORKSPACE, Command, SandboxSpec, SandboxUnavailable
from pullyard.sandboxes.remedies import explain, missing_programs

# A shell runs the command, so that a program that is missing exits 127 as everywhere else.
PATH = "/usr/local/bin:/usr/bin:/bin"

ISOLATION = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000"),
    *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"),
)
"""Own namespaces of every kind, no capability, no way to make further user namespaces."""

RUN = ("sh", "-c", 'exec "$@"', "sh")


class Bubblewrap:
    name = "bubblewrap"

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.mounts = MountNamespace(spec)
        self.processes: list[BubblewrapProcess] = []

    async def provision(self) -> None:
        if missing_programs():
            raise SandboxUnavailable(explain("programs are missing"))
        if os.geteuid() == 0 and not self.spec.uid:
            raise SandboxUnavailable("A worker that runs as root must give each sandbox an account: set uid.")
        await self.mounts.open()

    async def start(self, command: Command) -> BubblewrapProcess:
        async with AsyncExitStack() as opened:
            status = StatusPipe()
            listener = None
            words, passed = ["--json-status-fd", str(status.writer)], [status.writer]
            if command.listen_port is not None:
                listener = InnerListener(command.listen_port)
                opened.push_async_callback(listener.close)
                listener.start()
                words += ["--block-fd", str(listener.block)]
                passed.append(listener.block)
            try:
                outer = self.spawn(command, words, passed)
            except BaseException:
                status.close()
                raise
            finally:
                status.started()
            return await self.attach(outer, status, listener)

    def spawn(self, command: Command, words: Sequence[str], passed: Sequence[int]) -> Child:
        with ExitStack() as opened:
            rules = memory_file(opened, "filter", seccomp.program())
            view = [
                *(*words, "--seccomp", str(rules), *ISOLATION),
                *writable_view(self.spec, self.mounts.stage + "/root"),
                *environment(command),
            ]
            # In a file and not on the command line, which every account of the host may read.
            arguments = memory_file(opened, "arguments", b"".join(os.fsencode(word) + b"\0" for word in view))
            streams = Streams(
                stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
                stdout=subprocess.DEVNULL if command.stdout is None else command.stdout,
                stderr=subprocess.STDOUT if command.stderr is None else command.stderr,
                passed=[rules, arguments, *passed],
            )
            inner = ["bwrap", "--args", str(arguments), "--", *RUN, *command.argv]
            return Child([*self.mounts.entering(), *confinement(self.spec), *inner], streams)

    async def attach(
        self, outer: Child, status: StatusPipe, listener: InnerListener | None
    ) -> BubblewrapProcess:
        process = BubblewrapProcess(outer, status)
        self.processes = [*(other for other in self.processes if other.exit_code is None), process]
        try:
            init = await status.namespace_init()
            if init is None:
                await process.wait()
            else:
                process.watch(init)
                process.listener = await listener.open(init) if listener else None
        except BaseException:
            await process.kill()
            raise
        return process

    def inside(self, relative: str) -> str:
        return f"{WORKSPACE}/{relative}"

    def path_of(self, mounted: str) -> str:
        return mounted

    async def destroy(self) -> None:
        for process in self.processes:
            await process.kill()
        self.processes = []
        await self.mounts.close()


def writable_view(spec: SandboxSpec, root: str) -> list[str]:
    """The prepared root, read-only, and over it what may be written: sized memory, the workspace, mounts."""
    shared, temporary = str(spec.limits.shared_memory_bytes), str(spec.limits.temporary_bytes)
    view = [
        *("--ro-bind", root, "/", "--bind", root + WORKSPACE, WORKSPACE),
        *("--proc", "/proc", "--dev", "/dev"),
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


def confinement(spec: SandboxSpec) -> list[str]:
    """The words that bound resources and leave root behind, put before the sandbox itself."""
    limits = spec.limits
    words = [
        *("prlimit", f"--nproc={limits.processes}", f"--nofile={limits.open_files}"),
        *(f"--fsize={limits.file_size_bytes}", "--core=0"),
    ]
    if os.geteuid() == 0:
        words += ["setpriv", f"--reuid={spec.uid}", f"--regid={spec.uid}", "--clear-groups"]
    return words


def memory_file(opened: ExitStack, name: str, content: bytes) -> int:
    """A file without a path, read from its start."""
    descriptor = os.memfd_create(name)
    opened.callback(os.close, descriptor)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
