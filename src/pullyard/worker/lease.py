"""The worker's lease by its own monotonic clock: whether what it does may still have outside effects."""

import asyncio
import time
from collections.abc import Callable, Collection


def since_boot() -> float:
    """Seconds that go on while the process is stopped and while the machine sleeps, unlike ``monotonic``."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """Renewed by heartbeats for all executions that they name; clocks of two machines are never compared."""

    def __init__(self, clock: Callable[[], float] = since_boot) -> None:
        self.now = clock
        self._expires_at = 0.0
        self._executions: frozenset[str] = frozenset()
        self._last_contact = clock()
        self._renewed = asyncio.Event()

    @property
    def live(self) -> bool:
        return self.now() < self._expires_at

    @property
    def offline_seconds(self) -> float:
        """Since the coordinator last answered."""
        return self.now() - self._last_contact

    def renew(self, sent_at: float, lease_seconds: float, executions: Collection[str] = ()) -> None:
        """``sent_at`` is the time by ``now`` before the request left: the lease can't have begun earlier.

        ``executions`` are those that the request named and the answer did not take away.
        """
        self._expires_at = sent_at + lease_seconds
        self._executions = frozenset(executions)
        self._last_contact = self.now()
        self._renewed.set()

    async def wait_live(self, execution_id: str | None = None) -> None:
        """Return once the lease is live, and holds for the execution: at once, or after the next heartbeat.

        A grant may have been on its way for so long that it was given to somebody else before it came.
        """
        while not self.live or (execution_id is not None and execution_id not in self._executions):
            self._renewed.clear()
            await self._renewed.wait()
