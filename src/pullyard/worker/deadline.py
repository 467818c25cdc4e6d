"""A step's time limit, which stands still while the step waits for something that is not its doing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Deadline:
    """One step at a time; it may be held by several at once."""

    def __init__(self) -> None:
        self._timeout: asyncio.Timeout | None = None
        self._holders = 0
        self._left_seconds = 0.0

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError as ``asyncio.timeout`` does."""
        try:
            async with asyncio.timeout(seconds) as self._timeout:
                yield
        finally:
            self._timeout = None

    @contextmanager
    def held(self) -> Iterator[None]:
        loop, timeout = asyncio.get_running_loop(), self._timeout
        if timeout is None:
            yield
            return
        if self._holders == 0 and not timeout.expired():
            self._left_seconds = max(0.0, (timeout.when() or loop.time()) - loop.time())
            timeout.reschedule(None)
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if self._holders == 0 and self._timeout is timeout and not timeout.expired():
                timeout.reschedule(loop.time() + self._left_seconds)
