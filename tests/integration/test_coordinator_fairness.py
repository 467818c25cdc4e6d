"""Every project with work gets its turn within one round, however much another one has queued."""

from collections import Counter

import pytest
from bench.backlog import make_backlog
from bench.fairness import first_turns, order_of_turns, skewed

from pullyard.store.database import Database


@pytest.mark.parametrize(("batch", "limit"), [(1, 1), (7, 1), (7, 3)])
async def test_nobody_waits_longer_than_one_round(database_url: str, batch: int, limit: int) -> None:
    projects = 40
    database = Database(database_url)
    await database.open()
    try:
        backlog = await make_backlog(database, skewed(projects, 800), max_running=limit)
        order = await order_of_turns(backlog, 3 * projects, batch)
    finally:
        await database.close()
    assert len(first_turns(order)) == projects
    assert max(first_turns(order).values()) == projects - 1
    assert max(Counter(order[:projects]).values()) == 1


async def test_few_projects_share_many_slots_evenly(database_url: str) -> None:
    database = Database(database_url)
    await database.open()
    try:
        backlog = await make_backlog(database, [100, 3, 100], max_running=50)
        given = Counter(grant.project_id for grant in await backlog.claim(12))
    finally:
        await database.close()
    assert sorted(given.values()) == [3, 4, 4]
