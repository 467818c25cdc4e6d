"""Bubblewrap: own namespaces, no network, no capability, a read-only system and a system-call filter.

As root the worker gives every slot an account of its own (``SandboxSpec.uid``); the directories of the
workspace and the writable mounts must already belong to it. As an ordinary user everything runs as that user,
mapped into a user namespace. Inside, the account is always number 1000, called ``agent``.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack

from pullyard.sandboxes import bubblewrap_view, seccomp
from pullyard.sandboxes.bubblewrap_process import BubblewrapProcess, StatusPipe
from pullyard.sandboxes.inner_listener import InnerListener
from pullyard.sandboxes.mount_namespace import SYSTEM_PATH, MountNamespace
from pullyard.sandboxes.protocol import WORKSPACE, Command, SandboxSpec, SandboxUnavailable
from pullyard.sandboxes.remedies import explain, missing_programs

# A shell runs the command, so that a program that is missing exits 127 as everywhere else.
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
                await listener.start()
                words += ["--block-fd", str(listener.block)]
                passed.append(listener.block)
            try:
                outer = await self.spawn(command, words, passed)
            except BaseException:
                status.close()
                raise
            finally:
                status.started()
            return await self.attach(outer, status, listener)

    async def spawn(
        self, command: Command, words: Sequence[str], passed: Sequence[int]
    ) -> asyncio.subprocess.Process:
        with ExitStack() as opened:
            rules = memory_file(opened, "filter", seccomp.program())
            view = [
                *(*words, "--seccomp", str(rules), *bubblewrap_view.isolation()),
                *bubblewrap_view.system_view(self.mounts.stage),
                *bubblewrap_view.writable_view(self.spec, self.mounts.stage),
                *bubblewrap_view.environment(command),
            ]
            # In a file and not on the command line, which every account of the host may read.
            arguments = memory_file(opened, "arguments", b"".join(os.fsencode(word) + b"\0" for word in view))
            return await asyncio.create_subprocess_exec(
                *self.mounts.entering(),
                *confinement(self.spec),
                *("bwrap", "--args", str(arguments), "--", *RUN, *command.argv),
                stdin=asyncio.subprocess.DEVNULL if command.stdin is None else command.stdin,
                stdout=asyncio.subprocess.DEVNULL if command.stdout is None else command.stdout,
                stderr=asyncio.subprocess.STDOUT if command.stderr is None else command.stderr,
                env={"PATH": SYSTEM_PATH},
                pass_fds=[rules, arguments, *passed],
                start_new_session=True,
            )

    async def attach(
        self, outer: asyncio.subprocess.Process, status: StatusPipe, listener: InnerListener | None
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
