"""Why a person has to look at a change, and who is told."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.rows import about
from pullyard.coordinator.events.write import tell
from pullyard.lifecycle.change import ChangeState
from pullyard.store.queries import named


async def ask_person(connection: AsyncConnection, change: Any, attention: str | None) -> None:
    """``attention`` is one sentence; None: nobody has to look at it any more."""
    news = {"change_id": change.id, "attention": attention}
    if await connection.scalar(named("change_attention"), news) is None:
        return
    payload = {"change_id": change.id, "state": ChangeState.OPEN, "attention": attention}
    kind = "change.needs-person" if attention else "change.updated"
    await tell(connection, kind, about(change), payload)


async def tell_not_updated(connection: AsyncConnection, task: Any) -> None:
    """``task`` has failed or was cancelled. Most tasks were not to bring a change up to date."""
    found = await connection.execute(named("change_of_update"), {"task_id": task.id})
    change = found.one_or_none()
    if change is not None:
        await ask_person(connection, change, not_updated(task.number, change.base_branch))


def not_updated(number: int, base_branch: str) -> str:
    return (
        f"Task #{number}, which was to bring it up to date, did not get to its end: retry it, or merge "
        f"{base_branch} into its branch yourself."
    )


def updated_often(updates: int) -> str:
    times = "once" if updates == 1 else f"{updates} times"
    return (
        f"It was brought up to date {times}, and another change was merged since: look at it, then respond "
        "yourself."
    )
