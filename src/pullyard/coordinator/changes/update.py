"""A change that others overtook is brought up to date, by an execution on its branch and a few times at most.

What was merged first is noted with the merge, and the task that follows from it takes the note away, each in
one transaction: so nothing is lost and nothing done twice, whenever this process ends.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.attention import ask_person, updated_often
from pullyard.coordinator.changes.review_text import one_line
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.coordinator.workflows.requests import respond_to_review
from pullyard.lifecycle.workflows import CHANGE_UPDATE
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.protocol.forge_events import ForgeEventSettings
from pullyard.protocol.workflows import ReviewInput
from pullyard.store.queries import named

TITLE_CHARACTERS = 500
MESSAGE_CHARACTERS = 1_000
SHOWN_MERGES = 20
MOST_AT_ONCE = 20


async def changes_behind(
    connection: AsyncConnection, change_id: str | None = None, *, after: str = ""
) -> list[Any]:
    """``MOST_AT_ONCE`` of those that are to be judged now, from ``after`` on, or the one, if it is to be."""
    wanted = {"id": change_id, "after": after, "most": MOST_AT_ONCE}
    return list((await connection.execute(named("changes_behind"), wanted)).all())


async def bring_up_to_date(connection: AsyncConnection, late: Any) -> bool:
    """Whether a task was made. ``late`` is of ``changes_behind``; another replica may have been first."""
    await lock_project(connection, late.tenant_id, late.project_id)
    still = await changes_behind(connection, late.id)
    if not still:
        return False
    (change,) = still
    sharing = [one for one in change.merged if one["shares"]]
    if because_of := sharing or (change.merged if change.conflicts else []):
        return await update(connection, change, because_of)
    await connection.execute(named("change_not_behind"), {"id": change.id})
    return False


async def update(connection: AsyncConnection, change: Any, because_of: list[dict[str, Any]]) -> bool:
    if change.updates >= ForgeEventSettings.model_validate(change.forge_events).rounds:
        await ask_person(connection, change, updated_often(change.updates))
        return False
    title = f"Bring up to date: {change.title}"[:TITLE_CHARACTERS]
    wish = ReviewInput(text=update_text(change.base_branch, because_of), title=title)
    task_id = None
    try:
        async with connection.begin_nested():
            task_id = await respond_to_review(
                connection, change.tenant_id, change.id, wish, member_id=None, workflow=CHANGE_UPDATE.name
            )
    except Conflict:
        # Somebody is at work on it since.
        return False
    except RequestError as error:
        # Such as an agent that is not known any more.
        sentence = f"It can't be brought up to date: {error}"[:MESSAGE_CHARACTERS]
        await connection.execute(named("change_not_behind"), {"id": change.id})
        await ask_person(connection, change, sentence)
        return False
    made = {"id": change.id, "task_id": task_id, "because_of": [one["id"] for one in because_of]}
    await connection.execute(named("change_updating"), made)
    await ask_person(connection, change, None)
    return True


def update_text(base_branch: str, because_of: list[dict[str, Any]]) -> str:
    shown = because_of[:SHOWN_MERGES]
    lines = [f"> Task {one['number']}: {one_line(one['title'])}" for one in shown]
    more = [f"> and {len(because_of) - len(shown)} more"] if len(shown) < len(because_of) else []
    merged = "\n".join([*lines, *more])
    return f"{base_branch} is brought into this change, because this was merged first:\n\n{merged}"
