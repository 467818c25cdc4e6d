"""The summary a project is a cache of the truth; where it is wrong it is put right, loudly."""

from typing import TYPE_CHECKING

import structlog

from pullyard.coordinator.tasks.transition import lock_project
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

logger = structlog.get_logger(__name__)


async def repair_drift(services: "Services") -> bool:
    """True where a summary was wrong. Truth is read again under the project's lock."""
    async with services.database.transaction() as connection:
        suspects = (await connection.execute(named("drift_find"), {"project_id": None})).all()
    repaired = False
    for suspect in suspects:
        async with services.database.transaction() as connection:
            await lock_project(connection, suspect.tenant_id, suspect.project_id)
            wrong = (
                await connection.execute(named("drift_find"), {"project_id": suspect.project_id})
            ).one_or_none()
            if wrong is None:
                continue
            await connection.execute(
                named("drift_repair"),
                {
                    "project_id": wrong.project_id,
                    "queued": wrong.true_queued,
                    "running": wrong.true_running,
                    "active": wrong.true_active,
                    "lane_ids": wrong.true_lanes,
                },
            )
        kept = (wrong.queued, wrong.running, wrong.active)
        if kept != (wrong.true_queued, wrong.true_running, wrong.true_active) or wrong.lanes_missing:
            logger.error(
                "project summary was wrong and is repaired",
                project_id=wrong.project_id,
                queued=wrong.queued,
                true_queued=wrong.true_queued,
                running=wrong.running,
                true_running=wrong.true_running,
                active=wrong.active,
                true_active=wrong.true_active,
            )
            repaired = True
    return repaired
