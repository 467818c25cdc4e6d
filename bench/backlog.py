"""A queue of any shape, made by SQL, and the product's own claim over it without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pullyard.coordinator.executions.claim import CLAIM_LOCK, Slot, claim_tasks
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.store.database import Database
from pullyard.store.migrate import migrate

SLOTS = 10_000
_PROJECTS = """
WITH made AS (
    INSERT INTO projects (id, tenant_id, name, repository, forge, agent, setup_commands, limits, retry,
        text_policy, automation)
    SELECT 'proj_' || lpad(CAST(i AS text), 8, '0'), $1, 'p' || i, '/srv/none.git', 'bare',
        '{"name": "command"}', '[]', '{}', '{"max_tries": 1, "backoff_seconds": 5}', '{}', 'running'
    FROM generate_series(1, cardinality(CAST($2 AS integer[]))) AS i
    RETURNING id, CAST(substr(id, 6) AS integer) AS place
)
INSERT INTO project_queue (project_id, tenant_id, max_running, queued, lane_ids, turn)
SELECT id, $1, $3, (CAST($2 AS integer[]))[place], ARRAY[CAST($4 AS bigint)], nextval('project_turns')
FROM made ORDER BY place
"""
_TASKS = """
INSERT INTO tasks (id, tenant_id, project_id, number, title, slug, lane_id, state, queued_at)
SELECT 'task_' || lpad(CAST(p AS text), 8, '0') || '_' || i, $1, 'proj_' || lpad(CAST(p AS text), 8, '0'), i,
    'x', 'x', $3, 'queued', now()
FROM generate_series(1, cardinality(CAST($2 AS integer[]))) AS p,
    generate_series(1, (CAST($2 AS integer[]))[p]) AS i
"""
_END = """
WITH ended AS (
    UPDATE task_executions SET state = 'succeeded', finished_at = now() WHERE id = ANY (CAST($1 AS text[]))
    RETURNING task_id, project_id
), completed AS (
    UPDATE tasks SET state = 'completed', finished_at = now() WHERE id IN (SELECT task_id FROM ended)
)
UPDATE project_queue q SET running = running - n.tasks
FROM (SELECT project_id, count(*) AS tasks FROM ended GROUP BY project_id) n WHERE n.project_id = q.project_id
"""


@dataclass(frozen=True)
class Backlog:
    """One tenant, one worker and as many projects as ``queued`` has numbers."""

    database: Database
    tenant_id: str
    worker_id: str

    async def claim(self, slots: int) -> list[Any]:
        """The grants, in the order in which they were given out; committed."""
        async with self.database.hot.transaction(lock=CLAIM_LOCK) as connection:
            pairs = await claim_tasks(
                connection,
                tenant_id=self.tenant_id,
                labels=[],
                slots=[Slot(self.worker_id, "bench")] * slots,
                max_running=SLOTS,
                lease_seconds=30,
            )
        return [grant for _, grant in pairs]

    async def end(self, grants: Sequence[Any]) -> None:
        async with self.database.hot.transaction() as connection:
            await connection.execute(_END, [grant.execution_id for grant in grants])


async def make_backlog(database: Database, queued: Sequence[int], *, max_running: int) -> Backlog:
    """``queued`` says how many tasks each project has; the database is opened, and empty or migrated."""
    await migrate(database.direct_url)
    backlog = Backlog(database, new_id(Kind.TENANT), new_id(Kind.WORKER))
    tenant = backlog.tenant_id
    async with database.hot.transaction() as connection:
        await connection.execute("INSERT INTO tenants (id, name) VALUES ($1, 'bench')", tenant)
        await connection.execute(
            "INSERT INTO workers (id, tenant_id, name, state, slots, software_version, protocol_version)"
            " VALUES ($1, $2, 'bench', 'idle', $3, '0', 2)",
            *(backlog.worker_id, tenant, SLOTS),
        )
        made = "INSERT INTO lanes (tenant_id, labels) VALUES ($1, '{}') RETURNING id"
        lane_id = await connection.fetchval(made, tenant)
        await connection.execute(_PROJECTS, tenant, list(queued), max_running, lane_id)
        await connection.execute(_TASKS, tenant, list(queued), lane_id)
    async with database.hot.transaction() as connection:
        await connection.execute("ANALYZE")
    return backlog
