"""Many workers at one coordinator, with their heartbeats."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bench.stage import Coordinator
from bench.wire import WireWorker, enrol

BEAT_SECONDS = 10.0


@dataclass
class Fleet:
    coordinator: Coordinator
    workers: list[WireWorker] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Seconds of each heartbeat from its due time to its answer."""
    lost: int = 0
    """Executions that the coordinator took back, because it missed heartbeats."""

    async def recruit(self, workers: int, slots: int) -> None:
        token = self.coordinator.enrolment_token()
        for number in range(workers):
            self.workers.append(await enrol(self.coordinator, token, name=f"fleet-{number}", slots=slots))

    async def take_all(self, worker: WireWorker, slots: int) -> None:
        while len(worker.held) < slots:
            for grant in await worker.claim(slots=slots - len(worker.held)):
                worker.held[grant.execution_id] = grant
            await self.beat_once(worker)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Every worker beats during the block; a heartbeat that fails ends the block with its error."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.beat(worker)) for worker in self.workers]
            yield
            for task in tasks:
                task.cancel()

    async def beat(self, worker: WireWorker) -> None:
        """Until cancelled, each 10 s; the first one at any time within, as workers start by chance."""
        due = time.monotonic() + random.uniform(0, BEAT_SECONDS)
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await self.beat_once(worker)
            self.late.append(time.monotonic() - due)
            due += BEAT_SECONDS

    async def beat_once(self, worker: WireWorker) -> None:
        for execution_id in (await worker.beat()).lost:
            self.lost += worker.held.pop(execution_id, None) is not None

    def close(self) -> None:
        for worker in self.workers:
            worker.http.close()
