"""Errands are handed to the workers that wait, beside their tasks."""

from collections import defaultdict
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.list_errands import list_errand
from pullyard.coordinator.changes.compare import compare_errand
from pullyard.coordinator.changes.feedback import heed_of
from pullyard.coordinator.issues.poll import issues_errand
from pullyard.lifecycle.change import LATER_ERRANDS, ErrandKind
from pullyard.protocol.worker import Errand, RepositorySpec
from pullyard.store.queries import named


async def claim_errands(
    connection: AsyncConnection,
    *,
    tenant_id: str,
    worker_ids: list[str],
    request_ids: list[str],
    protocol_version: int,
    again_seconds: float,
) -> dict[str, list[Errand]]:
    """Mostly at most one for each worker, whose question is at the same place of ``request_ids``.

    One that was given long ago and never reported is given again, and one whose question is asked again.

    ``protocol_version`` is what all of these workers speak at least: it says which kinds they know.
    """
    kinds = [one for one in ErrandKind if LATER_ERRANDS.get(one, 1) <= protocol_version]
    rows = await connection.execute(
        named("errands_claim"),
        {
            "tenant_id": tenant_id,
            "kinds": sorted(kinds),
            "worker_ids": worker_ids,
            "request_ids": request_ids,
            "slots": len(worker_ids),
            "again_seconds": again_seconds,
        },
    )
    given: dict[str, list[Errand]] = defaultdict(list)
    for row in rows.all():
        given[row.worker_id].append(await filled_errand(connection, row))
    return given


async def filled_errand(connection: AsyncConnection, row: Any) -> Errand:
    if row.kind == ErrandKind.READ_ISSUES:
        return await issues_errand(connection, row)
    if row.kind == ErrandKind.COMPARE:
        return await compare_errand(connection, row)
    if not row.change_id:
        return await list_errand(connection, row)
    errand = change_errand(row)
    if errand.kind is ErrandKind.LOOK:
        errand.heed = await heed_of(connection, row.change_id)
    return errand


def change_errand(row: Any) -> Errand:
    return Errand(
        id=row.id,
        fence=row.fence,
        kind=ErrandKind(row.kind),
        change_id=row.change_id,
        repository=RepositorySpec(url=row.repository, forge=row.forge),
        branch=row.branch,
        base_branch=row.base_branch,
        commit=row.commit,
        title=row.title,
    )
