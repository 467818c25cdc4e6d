"""A person chooses one of the candidates, or cancels them all. Who is first decides."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.comparisons.decide import close_others, decide, lock_comparison
from pullyard.coordinator.comparisons.read import is_delivered, read_candidates, read_comparison
from pullyard.lifecycle.change import OPEN_ERRAND_STATES, ErrandKind
from pullyard.lifecycle.comparison import Decider
from pullyard.protocol.comparisons import Comparison
from pullyard.protocol.errors import Conflict, RequestError


async def choose(connection: AsyncConnection, person: Principal, comparison_id: str, task_id: str) -> None:
    """Repeatable; a close of the others that has failed is then asked for again.

    Raises Conflict where another one was chosen, or this one has nothing to choose.
    """
    tenant_id = person.tenant_id
    comparison = await lock_comparison(connection, tenant_id, comparison_id)
    rows = (await read_candidates(connection, tenant_id, [comparison_id]))[comparison_id]
    row = next((one for one in rows if one["task_id"] == task_id), None)
    if row is None:
        raise RequestError(
            "This task is no candidate of the comparison.",
            code="no-candidate",
            details={"candidates": [one["task_id"] for one in rows]},
        )
    if comparison.decided_at is not None:
        if comparison.chosen_task_id != task_id:
            raise decided(await read_comparison(connection, tenant_id, comparison_id))
        await close_others(connection, tenant_id, comparison_id, task_id)
        return
    check_delivered(row)
    await decide(connection, comparison, task_id, Decider.PERSON, member_id=person.member_id)


def check_delivered(row: Any) -> None:
    errand = row["errand"]
    closing = (
        errand is not None and errand["kind"] == ErrandKind.CLOSE and errand["state"] in OPEN_ERRAND_STATES
    )
    if is_delivered(row) and not closing:
        return
    what = f"is {row['state']}"
    if row["change_state"] is not None:
        what = "has a change that is closed, or about to be"
    elif row["state"] == "completed":
        what = "has changed nothing"
    raise Conflict(
        f"Task #{row['number']} {what}: only a candidate with an open change can be chosen.",
        code="not-delivered",
        details={"state": row["state"], "change_state": row["change_state"]},
    )


async def cancel_comparison(connection: AsyncConnection, person: Principal, comparison_id: str) -> None:
    """Repeatable. Raises Conflict where a candidate was chosen."""
    tenant_id = person.tenant_id
    comparison = await lock_comparison(connection, tenant_id, comparison_id)
    if comparison.chosen_task_id is not None:
        raise decided(await read_comparison(connection, tenant_id, comparison_id))
    if comparison.decided_at is None:
        await decide(connection, comparison, None, Decider.PERSON, member_id=person.member_id)
        return
    await close_others(connection, tenant_id, comparison_id, None)


def decided(comparison: Comparison) -> Conflict:
    """Who was first, and with what."""
    who = {
        Decider.PERSON: comparison.decided_by_name or "somebody",
        Decider.RULE: f"the rule {comparison.choose.value}",
        Decider.MERGE: "a merge on the forge",
        None: "nobody",
    }[comparison.decided_how]
    chosen = next((one for one in comparison.candidates if one.chosen), None)
    what = "cancelled all of them" if chosen is None else f"chose task #{chosen.number}"
    return Conflict(
        f"This comparison is decided: {who} {what}.",
        code="comparison-decided",
        details={
            "chosen_task_id": comparison.chosen_task_id,
            "decided_by": comparison.decided_by,
            "decided_by_name": comparison.decided_by_name,
            "decided_how": comparison.decided_how,
        },
    )
