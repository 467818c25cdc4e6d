"""What runs beside all else until its process ends."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

AGAIN_SECONDS = 1.0

logger = structlog.get_logger(__name__)


async def keep_running(
    name: str, work: Callable[[], Awaitable[None]], *, again_seconds: float = AGAIN_SECONDS
) -> None:
    """Until ``work`` returns or is cancelled; what a bug has ended is told, and begins again after a pause.

    Nobody waits for such work, so its end would be noticed by all that is left undone for ever.
    """
    while True:
        try:
            return await work()
        except Exception:
            logger.exception("a bug in a background loop", loop=name)
        await asyncio.sleep(again_seconds)
