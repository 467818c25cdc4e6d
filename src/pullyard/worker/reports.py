"""Reports leave in order and in the background: the work never waits for the coordinator."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.errors import LostLease, PullyardError
from pullyard.protocol.worker import AskRequest, NodeFact, PhaseReport
from pullyard.worker.client import CoordinatorClient, until_answered
from pullyard.worker.stop import Stop

logger = structlog.get_logger(__name__)


class Reports:
    def __init__(self, client: CoordinatorClient, execution_id: str, fence: int, stop: Stop) -> None:
        self._client = client
        self._execution_id = execution_id
        self._fence = fence
        self._stop = stop
        self._queue: asyncio.Queue[PhaseReport | AskRequest] = asyncio.Queue()

    def begin(self, phase: Phase, nodes: Sequence[NodeFact], facts: Mapping[str, Any]) -> None:
        """All is told as it is now, whatever becomes of it before the report leaves."""
        told = [msgspec.structs.replace(node, facts=dict(node.facts)) for node in nodes]
        self._queue.put_nowait(PhaseReport(fence=self._fence, phase=phase, nodes=told, facts=dict(facts)))

    def ask(self, question: AskRequest) -> None:
        self._queue.put_nowait(question)

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
                logger.warning("report refused", problem=error.message, code=error.code)
            except Exception:
                # The end is told after all reports: one that can't be sent must not hold it up for ever.
                logger.exception("a bug in a report")
            finally:
                self._queue.task_done()

    async def _send(self, report: PhaseReport | AskRequest) -> None:
        if isinstance(report, AskRequest):
            await until_answered(lambda: self._client.ask(self._execution_id, report))
        else:
            await until_answered(lambda: self._client.phase(self._execution_id, report))
            reached("phase-answered")
