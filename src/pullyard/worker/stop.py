"""How an execution is told to end, by whom, and how work is raced against that."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from pullyard.lifecycle.reasons import Reason
from pullyard.worker.failures import Stopped

ResultT = TypeVar("ResultT")


class Stop:
    """The first request counts, but for a lost lease, which overrides: what is lost reports nothing."""

    def __init__(self) -> None:
        self._requested = asyncio.Event()
        self.lost = asyncio.Event()
        self._stopped: Stopped | None = None

    def request(self, reason: Reason | None, message: str) -> None:
        if self._stopped is None or reason is None:
            self._stopped = Stopped(reason, message)
        if reason is None:
            self.lost.set()
        self._requested.set()

    @property
    def requested(self) -> bool:
        return self._requested.is_set()

    def check(self) -> None:
        """Raises Stopped where an end was asked for."""
        if self._stopped is not None:
            raise self._stopped

    async def race(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Do the work unless an end is asked for first: then it is cancelled, and Stopped is raised."""
        if self._stopped is not None:
            work.close()
            raise self._stopped
        doing = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._requested.wait())
        try:
            await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise self._stopped or Stopped(None, "stopped")
        finally:
            waiting.cancel()
            if not doing.done():
                doing.cancel()
                # What the work raises while it is torn down must not hide why it was.
                await asyncio.gather(doing, return_exceptions=True)
