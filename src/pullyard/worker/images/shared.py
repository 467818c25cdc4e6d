"""Work that several executions wait for and that is done once, with its progress told to all of them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

Tell = Callable[[bytes], None]
"""Takes whole lines."""

KEPT_BYTES = 64 << 10


@dataclass
class Progress:
    """What was told so far, so that whoever comes later reads the beginning too."""

    told: bytearray = field(default_factory=bytearray)
    listeners: list[Tell] = field(default_factory=list[Tell])

    def line(self, text: str) -> None:
        """The worker's own words."""
        self.output(f"[pullyard] {text}\n".encode())

    def output(self, content: bytes) -> None:
        """What a program printed."""
        self.told += content[: max(0, KEPT_BYTES - len(self.told))]
        for tell in list(self.listeners):
            tell(content)


class SharedWork:
    """One task for each key. It goes on when nobody waits any more, and the next one who asks finds it."""

    def __init__(self) -> None:
        self.running: dict[str, tuple[asyncio.Task[Any], Progress]] = {}

    async def join(self, key: str, work: Callable[[Progress], Coroutine[Any, Any, Any]], tell: Tell) -> Any:
        """What the work gives, or raises; it begins with the first who asks for ``key``."""
        if key not in self.running:
            progress = Progress()
            self.running[key] = (asyncio.create_task(work(progress)), progress)
            self.running[key][0].add_done_callback(lambda task: self.ended(key, task))
        task, progress = self.running[key]
        if progress.told:
            tell(bytes(progress.told))
        progress.listeners.append(tell)
        try:
            return await asyncio.shield(task)
        finally:
            progress.listeners.remove(tell)

    def ended(self, key: str, task: asyncio.Task[Any]) -> None:
        del self.running[key]
        if not task.cancelled():
            # Asked for here, so that a failure that nobody waited for is not one of the event loop.
            task.exception()

    async def close(self) -> None:
        tasks = [task for task, _ in self.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
