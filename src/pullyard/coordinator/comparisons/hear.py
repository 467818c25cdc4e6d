"""A comparison hears that candidates have ended: it may be ready for a choice, or its rule chooses."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.comparisons.decide import close_others, decide, lock_comparison
from pullyard.coordinator.comparisons.read import as_candidate, read_candidates
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.lifecycle.comparison import (
    ChoiceRule,
    ComparisonState,
    Decider,
    choice_by_rule,
    comparison_state,
)
from pullyard.store.queries import named

_TOLD = frozenset({ComparisonState.READY, ComparisonState.FAILED})


async def hear_endings(connection: AsyncConnection, tenant_id: str, comparison_id: str) -> None:
    """Repeatable; looks again under the lock, as another replica may have heard the same."""
    comparison = await lock_comparison(connection, tenant_id, comparison_id)
    if (await connection.execute(named("comparison_hear"), {"id": comparison_id})).first() is None:
        return
    if comparison.decided_at is not None:
        # One delivered while it was to be cancelled.
        await close_others(connection, tenant_id, comparison_id, comparison.chosen_task_id)
        return
    rows = (await read_candidates(connection, tenant_id, [comparison_id]))[comparison_id]
    candidates = [as_candidate(row) for row in rows]
    chosen = choice_by_rule(ChoiceRule(comparison.choose), candidates)
    if chosen is not None:
        await decide(connection, comparison, chosen, Decider.RULE)
        return
    state = comparison_state(candidates, decided=False, chosen_task_id=None)
    if state in _TOLD:
        payload = {
            "comparison_id": comparison_id,
            "delivered": [one.task_id for one in candidates if one.delivered],
        }
        about = TaskNews(tenant_id, comparison.project_id)
        await tell(connection, f"comparison.{state.value}", about, payload)
