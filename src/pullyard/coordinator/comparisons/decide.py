"""A comparison is over: what was not chosen is stopped and closed, and what waited for the choice goes on.

It is decided once, under its project's lock and in one transaction.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.errands import request_errand
from pullyard.coordinator.comparisons.guard import comparison_of
from pullyard.coordinator.comparisons.read import read_candidates
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.cancel import cancel_task
from pullyard.coordinator.tasks.end import end_task
from pullyard.coordinator.tasks.release import release_task
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.change import OPEN_ERRAND_STATES, ErrandKind
from pullyard.lifecycle.comparison import Decider
from pullyard.lifecycle.task import FINAL_TASK_STATES, TaskEvent
from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named

_CANCELLED = "It waits for a comparison that was cancelled."


async def lock_comparison(connection: AsyncConnection, tenant_id: str, comparison_id: str) -> Any:
    """Its row, read under its project's lock. Raises NotFound."""
    wanted = {"tenant_id": tenant_id, "id": comparison_id}
    row = (await connection.execute(named("comparison_row"), wanted)).one_or_none()
    if row is None:
        raise NotFound("comparison")
    await lock_project(connection, tenant_id, row.project_id)
    return (await connection.execute(named("comparison_row"), wanted)).one()


async def decide(
    connection: AsyncConnection,
    comparison: Any,
    chosen_task_id: str | None,
    how: Decider,
    *,
    member_id: str | None = None,
) -> None:
    """``comparison`` is an undecided row, read under its project's lock; None chooses none and cancels it."""
    tenant_id, comparison_id = comparison.tenant_id, comparison.id
    await connection.execute(
        named("comparison_decide"),
        {
            "id": comparison_id,
            "chosen_task_id": chosen_task_id,
            "decided_how": how,
            "decided_by": member_id,
        },
    )
    candidates = (await read_candidates(connection, tenant_id, [comparison_id]))[comparison_id]
    verdict = "cancelled" if chosen_task_id is None else "chosen"
    payload = {
        "comparison_id": comparison_id,
        "chosen_task_id": chosen_task_id,
        "how": how,
        "member_id": member_id,
    }
    about = TaskNews(tenant_id, comparison.project_id, chosen_task_id)
    await tell(connection, f"comparison.{verdict}", about, payload)
    if chosen_task_id is None:
        await fail_dependents(connection, [one["task_id"] for one in candidates])
    else:
        await pass_dependents_on(connection, comparison_id, chosen_task_id)
    for one in candidates:
        if one["task_id"] != chosen_task_id and one["state"] not in FINAL_TASK_STATES:
            await cancel_task(connection, tenant_id, one["task_id"])
    await close_others(connection, tenant_id, comparison_id, chosen_task_id)


async def pass_dependents_on(connection: AsyncConnection, comparison_id: str, chosen_task_id: str) -> None:
    """What waits for any candidate waits for the chosen one, which is completed."""
    await connection.execute(
        named("comparison_dependents"), {"id": comparison_id, "chosen_task_id": chosen_task_id}
    )
    for dependent in (await connection.execute(named("task_dependents"), {"id": chosen_task_id})).all():
        if dependent.open_dependencies == 0:
            await release_task(connection, dependent)


async def fail_dependents(connection: AsyncConnection, task_ids: list[str]) -> None:
    for task_id in task_ids:
        for dependent in (await connection.execute(named("task_dependents"), {"id": task_id})).all():
            await end_task(connection, dependent, TaskEvent.FAIL, message=_CANCELLED)


async def close_others(
    connection: AsyncConnection, tenant_id: str, comparison_id: str, chosen_task_id: str | None
) -> bool:
    """Ask for the close of every open change but the chosen one's, again where that has failed before.

    Repeatable; whether a worker is asked now.
    """
    wanted = {"id": comparison_id, "chosen_task_id": chosen_task_id}
    changes = (await connection.execute(named("comparison_changes"), wanted)).all()
    unasked = [one.id for one in changes if one.errand_state not in OPEN_ERRAND_STATES]
    for change_id in unasked:
        await request_errand(connection, tenant_id, change_id, ErrandKind.CLOSE)
    return bool(unasked)


async def choose_merged(connection: AsyncConnection, task_id: str) -> None:
    """Under its project's lock: who merges a candidate's change on its forge has chosen it."""
    comparison = await comparison_of(connection, task_id)
    if comparison is not None and comparison.decided_at is None:
        await decide(connection, comparison, task_id, Decider.MERGE)
