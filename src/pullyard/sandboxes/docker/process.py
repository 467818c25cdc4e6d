"""One command in a container: its exit, its end by force, and that nothing of it is left."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine
from typing import Any, Protocol

from pullyard.sandboxes.children import readable
from pullyard.sandboxes.docker.container import Container, is_of
from pullyard.sandboxes.docker.engine import Connection, EngineRefused
from pullyard.sandboxes.docker.remedies import lost
from pullyard.sandboxes.docker.streams import CommandStreams
from pullyard.sandboxes.protocol import SandboxLost

POLL_SECONDS = 0.01
SLOW_POLL_SECONDS = 0.2
KILLED = 137
GRACE_SECONDS = 2.0
"""What was printed before a kill is still carried for so long."""


class Owner(Protocol):
    """The sandbox that a process is of."""

    def give_back(self, container: Container) -> None:
        """Nothing runs in it any more."""
        ...

    def limits_met(self) -> list[str]: ...


class DockerProcess:
    def __init__(
        self,
        container: Container,
        name: str,
        streams: CommandStreams,
        connection: Connection,
        sandbox: Owner,
    ) -> None:
        self.listener: int | None = None
        self.exceeded = ""
        self.container = container
        self.name = name
        self.sandbox = sandbox
        self.killed = False
        self.carrying = asyncio.create_task(streams.carry(*connection))
        self.ending = asyncio.create_task(self.finish())

    @property
    def over(self) -> bool:
        return self.ending.done()

    async def wait(self) -> int:
        try:
            return await asyncio.shield(self.ending)
        except EngineRefused as refused:
            raise SandboxLost(lost(refused)) from refused

    async def kill(self) -> None:
        if not self.over:
            self.killed = True
            with contextlib.suppress(EngineRefused):
                await self.container.end()
        with contextlib.suppress(EngineRefused):
            await asyncio.shield(self.ending)

    async def finish(self) -> int:
        try:
            code = await self.exit_code()
            if code == KILLED and not self.killed:
                await self.check_ended()
            reusable = not self.killed and self.container.empty()
        except BaseException:
            await self.container.end()
            await self.carried()
            if self.killed:
                self.exceeded = self.limits_met()
                return KILLED
            raise
        if reusable:
            self.container.look()
        else:
            await self.container.end()
        await self.carried()
        self.exceeded = self.limits_met()
        if reusable and not self.killed:
            self.sandbox.give_back(self.container)
        return code

    async def check_ended(self) -> None:
        """Raises EngineRefused where nothing but the end of its container ended the command.

        An engine that is stopped in order ends its containers first, and still answers meanwhile.
        """
        if await self.container.was_ended():
            self.container.look()
            if not self.container.exceeded:
                raise EngineRefused(0, "it ended the container")

    def limits_met(self) -> str:
        return " ".join([*self.sandbox.limits_met(), *self.container.told()])

    async def carried(self) -> None:
        """Until all that it printed has been passed on."""
        if self.killed:
            await asyncio.wait({self.carrying}, timeout=GRACE_SECONDS)
            self.carrying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.carrying

    async def exit_code(self) -> int:
        """Asks the engine until it knows; where its process can be seen, only once that has ended."""
        watched = False
        while True:
            state = await self.state()
            if not state["Running"] and state["ExitCode"] is not None:
                return KILLED if self.killed else int(state["ExitCode"])
            if state["Pid"] and not watched and is_of(state["Pid"], self.container.name):
                watched = True
                # An engine that is killed leaves its containers running, and nobody else would tell.
                await first_of(gone(state["Pid"]), self.container.cut_off())
                continue
            await asyncio.sleep(POLL_SECONDS if self.container.seen else SLOW_POLL_SECONDS)

    async def state(self) -> dict[str, Any]:
        return await self.container.engine.call("GET", f"/exec/{self.name}/json")


async def first_of(*waits: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(one) for one in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def gone(process_id: int) -> None:
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return
    try:
        await readable(descriptor)
    finally:
        os.close(descriptor)
