"""The plans of the statements that run most, made while every table is empty and kept ever after."""

import asyncpg

from pullyard.store.database import Database
from pullyard.store.hot import Statement, direct
from pullyard.store.migrate import migrate


async def plan_of(connection: asyncpg.Connection, statement: Statement) -> str:
    await connection.execute(f"PREPARE planned AS {statement.text}")
    nothing = ", ".join("NULL" for _ in statement.names)
    rows = await connection.fetch(f"EXPLAIN EXECUTE planned ({nothing})")
    return "\n".join(row[0] for row in rows)


async def test_a_poll_finds_its_grants_by_its_request(database_url: str) -> None:
    await migrate(database_url)
    database = Database(database_url)
    await database.open()
    try:
        async with database.hot.transaction() as connection:
            plan = await plan_of(connection, direct("poll"))
    finally:
        await database.close()
    # By worker it would read all that the worker has ever done.
    assert "Index Scan using task_executions_request on task_executions e" in plan
    assert "Seq Scan" not in plan


async def test_a_claim_takes_projects_by_turn_without_sorting_all_of_them(database_url: str) -> None:
    await migrate(database_url)
    database = Database(database_url)
    await database.open()
    try:
        async with database.hot.transaction() as connection:
            plan = await plan_of(connection, direct("claim"))
    finally:
        await database.close()
    heads = plan.partition("CTE heads")[2].partition("CTE share")[0]
    assert "Index Scan using project_queue_claimable on project_queue q" in heads
    assert "Sort Key: q.turn" not in heads
