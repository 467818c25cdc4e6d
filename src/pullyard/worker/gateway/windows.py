"""Providers' limits on this worker's credentials: whose requests wait until when, or end their execution."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from pullyard.protocol.worker import MOST_WINDOWS, QuotaWindow
from pullyard.worker.gateway.limits import RateLimited

PATIENCE_SECONDS = 900.0
AGAIN_SECONDS = (0.1, 0.6, 1.5, 4.0)
"""After a window's end the coordinator's clock may be a little behind: work is asked for so often."""


class QuotaReached(Exception):
    """The limit ends too late to be waited for; the message says when."""

    def __init__(self, limited: RateLimited) -> None:
        self.limited = limited
        self.seconds = limited.seconds_left() or 0.0
        super().__init__(
            f"The provider's limit on the credential '{limited.credential}' ends in {spoken(self.seconds)}."
        )


@dataclass
class Window:
    limited: RateLimited
    execution_id: str
    """One that ran into it."""
    told: bool = False


def nothing() -> None:
    """Nobody listens."""


@dataclass
class Windows:
    """One for all executions of a worker."""

    patience_seconds: float = PATIENCE_SECONDS
    on_closed: Callable[[], None] = nothing
    """There is something to be told."""
    on_opened: Callable[[], None] = nothing
    """Work that needs the credential may be asked for again."""
    _closed: dict[str, Window] = field(default_factory=dict[str, Window])

    def note(self, limited: RateLimited, execution_id: str) -> None:
        """A later end counts; a limit that names none is for the agent's own patience."""
        if not (seconds := limited.seconds_left()):
            return
        known = self._open_window(limited.credential)
        if known is not None and (left := known.limited.seconds_left() or 0.0) >= seconds - 1.0:
            # Hardly later is waited for, and no news.
            known.limited = limited if seconds > left else known.limited
            return
        self._closed[limited.credential] = Window(limited, execution_id)
        loop = asyncio.get_running_loop()
        for more in AGAIN_SECONDS:
            loop.call_later(seconds + more, self._opened)
        self.on_closed()

    async def passes(
        self, credential: str, hold_clock: Callable[[], AbstractContextManager[object]] = nullcontext
    ) -> None:
        """Returns when the credential may be used, to the moment. Raises QuotaReached."""
        while window := self._open_window(credential):
            if (window.limited.seconds_left() or 0.0) > self.patience_seconds:
                raise QuotaReached(window.limited)
            with hold_clock():
                await asyncio.sleep(window.limited.seconds_left() or 0.0)

    def news(self) -> list[QuotaWindow]:
        """What was not told yet; ``told`` says that it was."""
        return [
            QuotaWindow(
                execution_id=one.execution_id,
                credential=one.limited.credential,
                seconds=one.limited.seconds_left() or 0.0,
            )
            for one in self._closed.values()
            if not one.told and one.limited.seconds_left()
        ][:MOST_WINDOWS]

    def told(self, windows: Sequence[QuotaWindow]) -> None:
        for one in windows:
            known = self._closed.get(one.credential)
            if known is not None and known.execution_id == one.execution_id:
                known.told = True

    def _open_window(self, credential: str) -> Window | None:
        window = self._closed.get(credential)
        return window if window is not None and window.limited.seconds_left() else None

    def _opened(self) -> None:
        self.on_opened()


def spoken(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
