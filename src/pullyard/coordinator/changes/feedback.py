"""What a forge says against a change is answered by one execution on its branch, and a few times at most.

That a remark is answered is written with the task that answers it, so that none is lost and none doubled.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.attention import ask_person, not_updated, updated_often
from pullyard.coordinator.changes.review_text import review_text, review_title
from pullyard.coordinator.storable import storable
from pullyard.coordinator.workflows.requests import respond_to_review
from pullyard.lifecycle.task import FINAL_TASK_STATES, TaskState
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.protocol.feedback import MOST_KNOWN, Heed, Remark
from pullyard.protocol.forge_events import ForgeEventSettings
from pullyard.protocol.worker import ChangeLook
from pullyard.protocol.workflows import ReviewInput
from pullyard.store.queries import named

MESSAGE_CHARACTERS = 1_000
MOVED = "Somebody else has pushed to its branch: look at it on the forge, Pullyard leaves it to you."


async def heed_of(connection: AsyncConnection, change_id: str) -> Heed | None:
    """Whom a worker that looks at the change is to listen to; None: nobody."""
    wanted = {"change_id": change_id, "limit": MOST_KNOWN}
    row = (await connection.execute(named("change_heed"), wanted)).one()
    wish = ForgeEventSettings.model_validate(row.forge_events)
    if not (wish.respond_to_reviews or wish.respond_to_checks):
        return None
    return Heed(
        people=wish.trusted,
        members=wish.trust_members,
        command=wish.command,
        reviews=wish.respond_to_reviews,
        checks=wish.respond_to_checks,
        known=row.known,
    )


async def hear_feedback(connection: AsyncConnection, change: Any, look: ChangeLook) -> None:
    """Of an open change, under its project's lock. A look that nobody was heeded in says nothing."""
    wanted = {"change_id": change.id, "keys": storable([one.key for one in look.remarks])}
    row = (await connection.execute(named("change_feedback"), wanted)).one()
    if look.unheard:
        problem = storable(look.unheard)[:MESSAGE_CHARACTERS]
        await ask_person(connection, change, f"What is said of it can't be read: {problem}")
        return
    if is_for_later(row, look):
        return
    if look.commit != row.commit:
        await ask_person(connection, change, MOVED)
        return
    wish = ForgeEventSettings.model_validate(row.forge_events)
    new = [one for one in look.remarks if storable(one.key) not in row.known]
    if not new:
        await ask_person(connection, change, unsettled(row, wish.rounds))
    elif row.rounds >= wish.rounds:
        times = "once" if row.rounds == 1 else f"{row.rounds} times"
        sentence = f"It was answered {times} and there is more to answer: look at it, then respond yourself."
        await ask_person(connection, change, sentence)
    elif await is_quiet(connection, change.id, row, new, wish.quiet_seconds):
        await answer(connection, change, row.title, new)


def is_for_later(row: Any, look: ChangeLook) -> bool:
    """A look without an answer, or at a commit that is not the change's any more, or while what was said is
    being answered: the next one tells."""
    states = [TaskState(state) for state in (row.task_state, row.update_state) if state is not None]
    return look.asked != row.commit or any(state not in FINAL_TASK_STATES for state in states)


def unsettled(row: Any, rounds: int) -> str | None:
    """Why the newest response is a person's affair, or that it is not up to date, if one of them is."""
    if sentence := unanswered(row):
        return sentence
    if row.update_state in (TaskState.FAILED, TaskState.CANCELLED):
        return not_updated(row.update_number, row.base_branch)
    return updated_often(row.updates) if row.behind and row.updates >= rounds else None


def unanswered(row: Any) -> str | None:
    if row.task_state in (TaskState.FAILED, TaskState.CANCELLED):
        return f"Task #{row.number}, its response, did not get to its end: retry it, or respond yourself."
    if row.task_state == TaskState.COMPLETED and row.change_id is None:
        return f"Task #{row.number} responded to it and changed nothing: look at what it says."
    return None


async def is_quiet(
    connection: AsyncConnection, change_id: str, row: Any, new: Sequence[Remark], seconds: int
) -> bool:
    """Whether the same was new for so long; a review is told piece by piece on some forges."""
    keys = "\n".join(sorted(f"{one.key} {one.text if one.key.startswith('checks') else ''}" for one in new))
    digest = hashlib.sha256(keys.encode("utf-8", "replace")).hexdigest()
    if seconds == 0 or (digest == row.feedback_digest and row.quiet_seconds >= seconds):
        return True
    if digest != row.feedback_digest:
        said = {"change_id": change_id, "digest": digest, "seconds": seconds}
        await connection.execute(named("change_said"), said)
    return False


async def answer(connection: AsyncConnection, change: Any, title: str, new: Sequence[Remark]) -> None:
    review = ReviewInput(text=storable(review_text(new)), title=review_title(title, new))
    try:
        async with connection.begin_nested():
            task_id = await respond_to_review(connection, change.tenant_id, change.id, review, member_id=None)
    except Conflict:
        # It is one of several candidates, and none is chosen yet.
        return
    except RequestError as error:
        # Such as an agent that is not known any more; what else was seen of the change is kept.
        await ask_person(connection, change, f"It can't be answered: {error}"[:MESSAGE_CHARACTERS])
        return
    keys = storable([one.key for one in new])
    await connection.execute(
        named("change_answered"), {"change_id": change.id, "task_id": task_id, "keys": keys}
    )
    await ask_person(connection, change, None)
