"""Child processes of the worker, held by descriptors that can't come to mean another process.

asyncio's own child watchers take a thread for every process, and their ``kill`` may steal the exit code.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MARK = "PULLYARD_SANDBOX"
"""An environment variable: what is found by it belongs to this process, and is ended when it was killed."""

Stream = int | IO[bytes]


@dataclass(frozen=True)
class Streams:
    """Where a child reads and writes; the other descriptors in ``passed`` keep their numbers."""

    stdin: Stream = subprocess.DEVNULL
    stdout: Stream = subprocess.DEVNULL
    stderr: Stream = subprocess.DEVNULL
    passed: Sequence[int] = ()


def own_mark() -> str:
    """What the mark of all that this process starts begins with; a worker has set one for all its lives."""
    return os.environ.get(MARK) or f"{os.getpid()}-"


def system_environment() -> dict[str, str]:
    return {"PATH": SYSTEM_PATH, MARK: own_mark()}


@dataclass(frozen=True)
class Setting:
    environment: Mapping[str, str] = field(default_factory=system_environment)
    directory: str = "/"
    uid: int | None = None


class Child:
    """Made in the event loop's thread: what dies with its parent dies with the thread that made it."""

    def __init__(self, argv: Sequence[str], streams: Streams, setting: Setting | None = None) -> None:
        setting = setting or Setting()
        uid = setting.uid
        self.process = subprocess.Popen(
            argv,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
            pass_fds=streams.passed,
            env=setting.environment,
            cwd=setting.directory,
            start_new_session=True,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
        self.id = self.process.pid
        self.descriptor = os.pidfd_open(self.id)
        self.loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[int] = self.loop.create_future()
        self.loop.add_reader(self.descriptor, self.reap)

    def reap(self) -> None:
        self.loop.remove_reader(self.descriptor)
        os.close(self.descriptor)
        self.gone.set_result(self.process.wait())

    async def wait(self) -> int:
        """The exit code, negative where a signal ended it. Repeatable, by several at once."""
        return await asyncio.shield(self.gone)

    def kill(self) -> None:
        """Repeatable."""
        if not self.gone.done():
            signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)


async def readable(descriptor: int) -> None:
    """Until there is something to read, or the process of a process descriptor has ended. One waiter only."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
