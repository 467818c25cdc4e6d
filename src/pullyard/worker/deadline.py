"""A step's time limit, which stands still while the step waits for something that is not its doing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager


class Deadline:
    """One step at a time; it may be held by several at once.

    ``hold_seconds`` is the most that the limit of one step may stand still in all. After that it goes on,
    whoever waits: what runs in the sandbox meanwhile must not be able to put its own end off.
    """

    def __init__(self, hold_seconds: float) -> None:
        self._hold_seconds = hold_seconds
        self._step: _Step | None = None

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError as ``asyncio.timeout`` does."""
        try:
            async with asyncio.timeout(seconds) as timeout:
                self._step = _Step(timeout, self._hold_seconds)
                yield
        finally:
            self._step = None

    @contextmanager
    def held(self) -> Iterator[None]:
        step = self._step
        if step is None:
            yield
            return
        step.hold()
        try:
            yield
        finally:
            if self._step is step:
                step.release()


class _Step:
    def __init__(self, timeout: asyncio.Timeout, left_seconds: float) -> None:
        self._timeout = timeout
        self._left_seconds = left_seconds
        """Of what it may be held."""
        self._holders = 0
        self._since = self._due = 0.0

    def hold(self) -> None:
        if self._holders == 0:
            now = asyncio.get_running_loop().time()
            self._since, self._due = now, self._timeout.when() or now
            self._put_off(self._left_seconds)
        self._holders += 1

    def release(self) -> None:
        self._holders -= 1
        if self._holders == 0:
            held = min(asyncio.get_running_loop().time() - self._since, self._left_seconds)
            self._left_seconds -= held
            self._put_off(held)

    def _put_off(self, seconds: float) -> None:
        if not self._timeout.expired():
            self._timeout.reschedule(self._due + seconds)
