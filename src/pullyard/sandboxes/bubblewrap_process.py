"""One command in a bubblewrap sandbox: its exit, its end by force, and that nothing of it is left."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable

from pullyard.sandboxes.children import Child, readable
from pullyard.sandboxes.protocol import SandboxUnavailable

STATUS_BYTES = 65536
"""Far more than the two lines bubblewrap writes."""


class StatusPipe:
    """What bubblewrap reports: the first process of the namespace, and the exit code once it has run."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.text = b""

    def started(self) -> None:
        """The process has its own copy of the writing end."""
        os.close(self.writer)

    async def namespace_init(self) -> int | None:
        """The process that the whole sandbox ends with; None where bubblewrap gave up before it was there."""
        while b"\n" not in self.text:
            await readable(self.reader)
            part = os.read(self.reader, 4096)
            if not part:
                return None
            self.text += part
        return int(json.loads(self.text.splitlines()[0])["child-pid"])

    def command_ran(self) -> bool:
        """Whether the command was reached: bubblewrap's own failures report no exit code."""
        with contextlib.suppress(BlockingIOError):
            self.text += os.read(self.reader, STATUS_BYTES)
        return b'"exit-code"' in self.text

    def close(self) -> None:
        os.close(self.reader)


class BubblewrapProcess:
    def __init__(self, outer: Child, status: StatusPipe, limits_met: Callable[[], list[str]]) -> None:
        self.listener: int | None = None
        self.exceeded = ""
        self.limits_met = limits_met
        self.outer = outer
        self.status = status
        self.init: int | None = None
        self.killed = False
        self.failed = False
        self.exit_code: int | None = None
        self.ending = asyncio.Lock()

    def watch(self, init: int) -> None:
        """Hold on to the namespace's first process by a descriptor that can't come to mean another one."""
        with contextlib.suppress(ProcessLookupError):
            self.init = os.pidfd_open(init)

    async def wait(self) -> int:
        async with self.ending:
            if self.exit_code is None:
                self.exit_code = await self.finish()
        if self.failed:
            raise SandboxUnavailable("The sandbox failed to start; its message is in the command's output.")
        return self.exit_code

    async def finish(self) -> int:
        code = await self.outer.wait()
        # The namespace's first process outlives the command where daemons are left; with it they all end.
        self.signal_init()
        if self.init is not None:
            await readable(self.init)
            os.close(self.init)
            self.init = None
        self.failed = not self.status.command_ran() and code > 0 and not self.killed
        self.status.close()
        self.exceeded = " ".join(self.limits_met())
        return code if code >= 0 else 128 - code

    async def kill(self) -> None:
        self.killed = True
        if self.exit_code is None:
            self.signal_init()
            self.outer.kill()
            await self.wait()

    def signal_init(self) -> None:
        if self.init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.init, signal.SIGKILL)
