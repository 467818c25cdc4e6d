"""Phase reports leave in order and in the background: the work never waits for the coordinator."""

import asyncio

import structlog

from pullyard.lifecycle.execution import Phase
from pullyard.protocol.errors import LostLease, PullyardError
from pullyard.protocol.worker import PhaseReport
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.stop import Stop

logger = structlog.get_logger(__name__)


class PhaseReports:
    def __init__(self, client: CoordinatorClient, execution_id: str, fence: int, stop: Stop) -> None:
        self._client = client
        self._execution_id = execution_id
        self._fence = fence
        self._stop = stop
        self._queue: asyncio.Queue[PhaseReport] = asyncio.Queue()

    def begin(self, phase: Phase) -> None:
        self._queue.put_nowait(PhaseReport(fence=self._fence, phase=phase))

    async def sent(self) -> None:
        """Return when every report was answered."""
        await self._queue.join()

    async def run(self) -> None:
        while True:
            report = await self._queue.get()
            try:
                await self._send(report)
            except LostLease as lost:
                self._stop.request(None, lost.message)
            except PullyardError as error:
                logger.warning("phase report refused", problem=error.message, code=error.code)
            finally:
                self._queue.task_done()

    async def _send(self, report: PhaseReport) -> None:
        await until_answered(lambda: self._client.phase(self._execution_id, report))
