"""No sandbox at all: commands run in a plain directory, for code that is trusted as the worker itself is.

It is never chosen by itself; a worker's owner must name it. A command reads and writes what its account can,
reaches the whole network, and sees every process of the host. Its environment and its open descriptors are
still only those it is given, and its process group ends with it; a daemon that left the group survives.

A workspace needs a full copy here (``lower`` is None), as nothing is mounted. Extra mounts are used where
they lie: ``path_of`` gives the real path. A port opened by ``Command.listen_port`` is one of the host's own
loopback, which every account of the host can reach.
"""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

from pullyard.sandboxes.children import Child, Setting, Streams
from pullyard.sandboxes.protocol import WORKSPACE, Command, SandboxSpec, SandboxUnavailable

PATH = "/usr/local/bin:/usr/bin:/bin"


class DirectoryProcess:
    exceeded = ""
    """Nothing is limited, so nothing is exceeded."""

    def __init__(self, child: Child, listener: int | None) -> None:
        self.child = child
        self.listener = listener
        child.gone.add_done_callback(lambda _: self.end_group())

    async def wait(self) -> int:
        code = await self.child.wait()
        return code if code >= 0 else 128 - code

    async def kill(self) -> None:
        if not self.child.gone.done():
            self.end_group()
            await self.wait()

    def end_group(self) -> None:
        """At once when the command ends: later its group's number may be somebody else's."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.id, signal.SIGKILL)


class UnsafeDirectory:
    name = "unsafe-directory"

    def __init__(self, spec: SandboxSpec) -> None:
        self.spec = spec
        self.phases: dict[str, float] = {}
        self.processes: list[DirectoryProcess] = []

    async def provision(self) -> None:
        if self.spec.workspace.lower is not None:
            raise SandboxUnavailable("unsafe-directory mounts nothing: give it a full copy as its workspace.")

    async def start(self, command: Command) -> DirectoryProcess:
        listener = None if command.listen_port is None else host_loopback(command.listen_port)
        variables = {
            "PATH": PATH,
            "HOME": str(self.spec.workspace.work),
            "LANG": "C.UTF-8",
            **command.environment,
        }
        streams = Streams(
            stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
            stdout=subprocess.DEVNULL if command.stdout is None else command.stdout,
            stderr=subprocess.STDOUT if command.stderr is None else command.stderr,
        )
        directory = command.directory or self.inside("")
        words = ["/bin/sh", "-c", 'exec "$@"', "sh", *command.argv]
        child = Child(words, streams, Setting(variables, directory, self.spec.uid))
        process = DirectoryProcess(child, listener)
        self.processes = [*(other for other in self.processes if not other.child.gone.done()), process]
        return process

    def inside(self, relative: str) -> str:
        return os.path.normpath(self.spec.workspace.upper.resolve() / relative)

    def path_of(self, mounted: str) -> str:
        if mounted == WORKSPACE:
            return self.inside("")
        for mount in self.spec.mounts:
            if mounted == mount.inside or mounted.startswith(mount.inside + "/"):
                return str(mount.outside.resolve() / Path(mounted).relative_to(mount.inside))
        return mounted

    async def destroy(self) -> None:
        for process in self.processes:
            await process.kill()
        self.processes = []


def host_loopback(port: int) -> int:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=128).detach()
    except OSError as taken:
        raise SandboxUnavailable(f"Port {port} of this host can't be opened: {taken.strerror}.") from taken
