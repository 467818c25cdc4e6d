"""The whole system on one machine: the coordinator in this process, the worker as its child."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from pullyard.cli.endings import End
from pullyard.cli.local_access import write_local_profile
from pullyard.cli.worker_child import WorkerChild
from pullyard.coordinator.server import Served, serve
from pullyard.coordinator.settings import CoordinatorSettings


async def run_system(
    settings: CoordinatorSettings,
    data: Path,
    *,
    announce: Callable[[Served, str], None],
    with_parent: bool,
) -> None:
    """Until it is asked to end. ``announce`` gets the coordinator and a login link, once all is started.

    Raises what the coordinator raises when it can't start or ends by itself.
    """
    stop = asyncio.Event()
    started: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
    asked = asyncio.create_task(End(with_parent=with_parent).wait())
    coordinator = asyncio.create_task(serve(settings, started=started.set_result, stop=stop))
    try:
        await asyncio.wait({coordinator, started, asked}, return_when=asyncio.FIRST_COMPLETED)
        if started.done():
            served = started.result()
            await write_local_profile(served, data)
            worker = asyncio.create_task(WorkerChild(data, served.url, served.enrolment_token).run())
            announce(served, served.first_login_url or await served.login_url())
            await asyncio.wait({coordinator, worker, asked}, return_when=asyncio.FIRST_COMPLETED)
            # The worker ends first, so that it can still report what it saved.
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
    finally:
        asked.cancel()
        stop.set()
        await coordinator
