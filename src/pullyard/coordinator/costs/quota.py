"""A provider limits a worker's credential: what needs it there is not handed out before the limit ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.worker import QuotaWindow
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

MOST_TASKS = 2000
"""That are passed over at once; one behind them comes back by itself when it is given out."""

logger = structlog.get_logger(__name__)


async def close_windows(
    services: "Services", tenant_id: str, worker_id: str, windows: Sequence[QuotaWindow]
) -> None:
    """Of executions of this worker; others change nothing. Repeatable."""
    for window in windows:
        async with services.database.transaction() as connection:
            await connection.execute(
                named("quota_close"),
                {
                    "tenant_id": tenant_id,
                    "worker_id": worker_id,
                    "execution_id": window.execution_id,
                    "credential": window.credential,
                    "seconds": window.seconds,
                    "most": MOST_TASKS,
                },
            )
        reached("quota-closed")
        logger.info("a provider limits a credential", worker_id=worker_id, seconds=round(window.seconds, 1))
