"""Tasks that wait and open changes are compared with what is under way, soon after that has changed; changes
that others overtook are brought up to date.

What is told by a request that this process did not answer to its end is found by what still waits in vain.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.caretakers.apart import apart
from pullyard.coordinator.changes.compare import request_comparisons, wanted_comparisons
from pullyard.coordinator.changes.update import bring_up_to_date, changes_behind
from pullyard.coordinator.news import errands_changed, events_written, queue_changed
from pullyard.coordinator.tasks.settle_overlaps import settle_overlaps
from pullyard.lifecycle.crash_points import reached
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)
PAUSE_SECONDS = 0.2
"""Between two rounds: what happens meanwhile is looked at together."""


async def watch_overlaps(services: "Services") -> None:
    """Until cancelled."""
    after = ""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(services.settings.caretaker_seconds):
                await services.radar.news.wait()
        marked = services.radar.take()
        try:
            after = await look(services, marked, after)
        except DATABASE_AWAY as error:
            services.radar.mark(*marked)
            logger.warning("overlaps wait for the database", error=type(error).__name__)
        await asyncio.sleep(PAUSE_SECONDS)


async def look(services: "Services", marked: set[str], after: str) -> str:
    """Up to which change those that are behind were judged; the next look begins ``after`` it."""
    # Not ``reading``: these are heavy, and heartbeats need its connections.
    async with services.database.transaction() as connection:
        freed = await connection.execute(named("overlap_freed"))
        project_ids = sorted({*marked, *(row.project_id for row in freed)})
        behind = await changes_behind(connection, after=after)
        places = []
        if project_ids:
            places = (await connection.execute(named("overlap_places"), {"project_ids": project_ids})).all()
        untried = await wanted_comparisons(connection)
    if untried:
        with apart():
            async with services.database.transaction() as connection:
                asked = await request_comparisons(connection)
            if asked:
                errands_changed(services)
    for late in behind:
        with apart():
            async with services.database.transaction() as connection:
                made = await bring_up_to_date(connection, late)
                reached("update-before-commit")
            reached("update-after-commit")
            queue_changed(services) if made else events_written(services)
    for place in places:
        with apart():
            async with services.database.transaction() as connection:
                moved = await settle_overlaps(connection, place.tenant_id, place.id)
            queue_changed(services) if moved else events_written(services)
    return behind[-1].id if behind else ""
