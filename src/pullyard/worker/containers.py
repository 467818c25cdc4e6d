"""What the worker's containers share: those that wait, projects' environments, and their daily clean-up."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from pullyard.sandboxes.docker.engine import Engine, EngineRefused, find_socket
from pullyard.sandboxes.docker.makers import Stock
from pullyard.sandboxes.docker.sandbox import DockerSandbox
from pullyard.sandboxes.protocol import Probe
from pullyard.worker.images.old import remove_old_images
from pullyard.worker.journal import JOURNAL, KEPT, Journal
from pullyard.worker.settings import WorkerSettings

logger = structlog.get_logger(__name__)

ENVIRONMENTS = "environments"
DAY_SECONDS = 86400.0
TIDY_SECONDS = 2.0


def open_stock(
    settings: WorkerSettings, probes: Sequence[Probe], mark: str, stack: AsyncExitStack
) -> Stock | None:
    """None where this worker has no containers. ``stack`` ends every container that waits."""
    if DockerSandbox.name not in {probe.name for probe in probes}:
        return None
    stock = Stock(
        Engine(find_socket(), settings.docker_patience_seconds),
        settings.data_directory / ENVIRONMENTS,
        worker=mark,
        warm=settings.docker_warm_containers,
    )
    stack.push_async_callback(stock.close)
    return stock


async def keep_tidy(stock: Stock | None, lost: Callable[[], None], back: Callable[[], None]) -> None:
    """For as long as the worker runs; ``lost`` is called once the engine is away, and ``back`` after that."""
    if stock is not None:
        stock.engine.on_lost = lost
    while stock is not None:
        await asyncio.sleep(TIDY_SECONDS)
        if await stock.tidy():
            back()


async def clean_daily(stock: Stock | None, executions: Path) -> None:
    """Remove what nobody has used for a week, environments and built images: at the start and every day."""
    while stock is not None:
        try:
            if removed := await stock.environments.remove_old(unsaved(executions)):
                logger.info("removed environments that nobody used for a week", projects=removed)
            if gone := await remove_old_images(stock.engine):
                logger.info("removed images that nobody used for a week", images=gone)
        except (EngineRefused, OSError) as error:
            logger.warning("an old environment or image could not be removed", problem=str(error))
        await asyncio.sleep(DAY_SECONDS)


def unsaved(executions: Path) -> set[str]:
    """The projects with work on this worker that is neither pushed nor salvaged yet."""
    return {
        journal.record.grant.project_id
        for name in (JOURNAL, KEPT)
        for journal in Journal.find_all(executions, name)
    }
