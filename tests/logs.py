"""Logs for tests: an execution with a log of given frames, and what a plain list of bytes says of it."""

from dataclasses import dataclass
from typing import Any

import httpx

from pullyard.protocol.worker import Grant
from tests.coordinator import RunningCoordinator, WireWorker


@dataclass
class WrittenLog:
    """One stream of one execution, and the worker that may append to it."""

    coordinator: RunningCoordinator
    worker: WireWorker
    grant: Grant
    data: bytes = b""
    stream: str = "implement"

    @property
    def path(self) -> str:
        return f"/api/v1/executions/{self.grant.execution_id}/logs/{self.stream}"

    async def write(self, *frames: bytes) -> None:
        for frame in frames:
            answer = await self.worker.log(self.grant, frame, offset=len(self.data), stream=self.stream)
            assert answer.status_code == 200, answer.text
            self.data += frame

    async def end(self) -> None:
        answer = await self.worker.finish(self.grant, reason="no_change")
        assert answer.status_code == 200, answer.text

    async def get(self, more: str = "", headers: Any = None, **query: Any) -> httpx.Response:
        return await self.coordinator.http.get(self.path + more, params=query, headers=headers)

    async def ask(self, more: str = "", **query: Any) -> dict[str, Any]:
        answer = await self.get(more, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def resource(self) -> dict[str, Any]:
        page = await self.coordinator.get(f"/executions/{self.grant.execution_id}/logs")
        return next(one for one in page["items"] if one["stream"] == self.stream)

    def lines(self) -> list[bytes]:
        """As they are to be read: the last one also where it has no end."""
        lines = self.data.split(b"\n")
        return lines if lines[-1] else lines[:-1]


async def begin_log(coordinator: RunningCoordinator, *frames: bytes, stream: str = "implement") -> WrittenLog:
    worker = await coordinator.worker()
    await coordinator.task(await coordinator.project())
    log = WrittenLog(coordinator, worker, await worker.claim(), stream=stream)
    await log.write(*frames)
    return log
