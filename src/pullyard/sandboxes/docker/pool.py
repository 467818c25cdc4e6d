"""Containers that wait, so that a sandbox starts by taking one instead of having one made.

What waits is of nobody: it has no mounts and no owner, and nothing has run in it but its own two processes.
Once taken it is one sandbox's until it ends, and never comes back here.
"""

import asyncio
import contextlib
import json
import select
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import structlog

from pullyard.sandboxes.docker.container import Container, make_container
from pullyard.sandboxes.docker.engine import Engine, EngineRefused
from pullyard.sandboxes.protocol import Limits

logger = structlog.get_logger(__name__)

KINDS = 4
"""For so many kinds of containers some wait; of those that were not asked for lately none do."""


@dataclass(frozen=True)
class Mold:
    """What containers are made by: those of equal molds are alike."""

    configured: Mapping[str, Any]
    limits: Limits
    platform: str | None

    @cached_property
    def key(self) -> str:
        return json.dumps([self.configured, self.platform], sort_keys=True)


class WarmPool:
    """``size`` containers wait for each kind that was asked for lately. ``close`` at the end."""

    def __init__(self, engine: Engine, size: int) -> None:
        self.engine = engine
        self.size = size
        self.waiting: dict[str, deque[Container]] = {}
        """The kind that was asked for last at the end."""
        self.filling: set[asyncio.Task[None]] = set()
        self.one_by_one = asyncio.Lock()
        """Containers that are made ahead of time must not slow down those that somebody waits for."""
        self.closed = False

    async def take(self, mold: Mold) -> Container | None:
        """One that runs; None where none waits."""
        waiting = self.waiting.pop(mold.key, deque())
        self.waiting[mold.key] = waiting
        while waiting:
            container = waiting.popleft()
            if runs(container):
                return container
            with contextlib.suppress(EngineRefused):
                await container.end()
        return None

    def refill(self, mold: Mold) -> None:
        """In the background."""
        if self.size and not self.closed:
            task = asyncio.create_task(self.fill(mold))
            self.filling.add(task)
            task.add_done_callback(self.filling.discard)

    async def fill(self, mold: Mold) -> None:
        async with self.one_by_one:
            for key in list(self.waiting)[:-KINDS]:
                await end_all(self.waiting.pop(key))
            try:
                while mold.key in self.waiting and len(self.waiting[mold.key]) < self.size:
                    made = await make_container(
                        self.engine, mold.configured, mold.limits, mold.platform, untimed
                    )
                    self.waiting.setdefault(mold.key, deque()).append(made)
            except EngineRefused as refused:
                logger.warning("no container could be made ahead of time", problem=str(refused))

    async def end_dead(self) -> None:
        """What waits and will never be taken: its engine was restarted, or somebody ended it."""
        for waiting in list(self.waiting.values()):
            dead = deque(container for container in waiting if not runs(container))
            for container in dead:
                waiting.remove(container)
            await end_all(dead)

    async def close(self) -> None:
        self.closed = True
        filling = list(self.filling)
        for task in filling:
            task.cancel()
        await asyncio.gather(*filling, return_exceptions=True)
        waiting, self.waiting = self.waiting, {}
        await asyncio.gather(*map(end_all, waiting.values()))


def runs(container: Container) -> bool:
    """Whether it does, and would end with us: an engine that is restarted may let it run on without us."""
    if container.init is None or container.ending is not None or container.input[0].at_eof():
        return False
    ended = select.poll()
    ended.register(container.init, select.POLLIN)
    return not ended.poll(0)


async def end_all(containers: deque[Container]) -> None:
    for container in containers:
        with contextlib.suppress(EngineRefused):
            await container.end()


@contextlib.contextmanager
def untimed(_: str) -> Iterator[None]:
    yield
