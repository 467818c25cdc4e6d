"""A task's place in its project's queue: by priority first, then by position. All places are given here."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.transition import lock_task
from pullyard.lifecycle.task import FINAL_TASK_STATES, TaskState
from pullyard.protocol.automation import Place, TaskMove
from pullyard.protocol.errors import Conflict, NotFound
from pullyard.store.queries import named

SPACING = 1024
"""Between the positions of two new tasks, as the sequence gives them."""


async def put_tasks(
    connection: AsyncConnection,
    tasks: Sequence[Any],
    place: Place,
    anchor: Any | None = None,
) -> None:
    """Put them there in this order, under the project's lock; ``anchor`` is a row of ``find_place``.

    They take the priority that makes the place true: at the front the highest of all, at the end the lowest,
    beside a task that task's own.
    """
    if not tasks:
        return
    project_id, ids = tasks[0].project_id, [task.id for task in tasks]
    edges = (
        await connection.execute(named("position_edges"), {"project_id": project_id, "without": ids})
    ).one()
    own = [task.priority for task in tasks]
    if anchor is not None:
        priority = anchor.priority
        above, below = (anchor.position, None) if place is Place.AFTER else (None, anchor.position)
    elif place is Place.FRONT:
        priority = max([*own, edges.highest] if edges.highest is not None else own)
        above, below = None, await front_of(connection, project_id, priority, ids)
    else:
        priority = min([*own, edges.lowest] if edges.lowest is not None else own)
        above, below = None, None
    positions = await make_room(
        connection, project_id, priority, len(tasks), above=above, below=below, without=ids
    )
    await set_places(connection, ids, [priority] * len(ids), positions)


async def move_in_queue(connection: AsyncConnection, tenant_id: str, task_id: str, wish: TaskMove) -> None:
    """Raises Conflict for a task that does not wait any more, and for one beside which nothing can be put."""
    locked = await lock_task(connection, tenant_id, task_id)
    task = await find_place(connection, locked.project_id, task_id)
    if task.state not in (TaskState.QUEUED, TaskState.PENDING):
        raise Conflict(
            f"A task that is {task.state} has no place in the queue any more.",
            code="not-in-queue",
            details={"state": task.state},
        )
    anchor = await find_anchor(connection, task.project_id, wish.task_id)
    if anchor is not None and anchor.id == task.id:
        raise Conflict("A task can't be put beside itself.", code="own-anchor")
    await put_tasks(connection, [task], wish.place, anchor)
    about = TaskNews(tenant_id, task.project_id, task.id)
    payload = {"state": task.state, "place": wish.place, "beside": wish.task_id}
    await tell(connection, "task.moved", about, payload)


async def find_place(connection: AsyncConnection, project_id: str, task_id: str) -> Any:
    row = (
        await connection.execute(named("task_place"), {"project_id": project_id, "id": task_id})
    ).one_or_none()
    if row is None:
        raise NotFound("task in this project")
    return row


async def find_anchor(connection: AsyncConnection, project_id: str, task_id: str | None) -> Any | None:
    """The task that others are put beside. Raises Conflict where it has ended: nothing waits there."""
    if task_id is None:
        return None
    anchor = await find_place(connection, project_id, task_id)
    if anchor.state in FINAL_TASK_STATES:
        raise Conflict(
            f"Task #{anchor.number} is {anchor.state}: put it beside one that waits or runs.",
            code="anchor-ended",
            details={"state": anchor.state},
        )
    return anchor


async def make_room(
    connection: AsyncConnection,
    project_id: str,
    priority: int,
    count: int,
    *,
    above: int | None = None,
    below: int | None = None,
    without: Sequence[str] = (),
) -> list[int]:
    """So many rising positions directly behind ``above``, or before ``below``, or at the end of the queue.

    Where there is no room between two tasks, all that stand before it move on towards the front. The tasks
    ``without`` are about to be moved and don't count.
    """
    parameters = {"project_id": project_id, "priority": priority, "without": list(without)}
    found = (
        await connection.execute(named("position_next"), {**parameters, "above": above, "below": below})
    ).one()
    low, high = (above, found.following) if above is not None else (found.previous, below)
    if high is None:
        # Later tasks come behind these, because their positions are of the same sequence.
        return sorted((await connection.scalars(named("position_end"), {"count": count})).all())
    if low is None:
        low = high - (count + 1) * SPACING
    if high - low <= count:
        room = (count + 1) * SPACING
        await connection.execute(
            named("position_shift"),
            {"project_id": project_id, "priority": priority, "upto": low, "room": room},
        )
        low -= room
    gap = (high - low) // (count + 1)
    return [low + gap * number for number in range(1, count + 1)]


async def front_of(
    connection: AsyncConnection, project_id: str, priority: int, without: Sequence[str]
) -> int | None:
    """The first position of this priority; None where nothing of it waits."""
    parameters = {"project_id": project_id, "priority": priority, "without": list(without)}
    found = await connection.execute(named("position_next"), {**parameters, "above": None, "below": None})
    return found.one().following


async def set_places(
    connection: AsyncConnection, ids: Sequence[str], priorities: Sequence[int], positions: Sequence[int]
) -> None:
    await connection.execute(
        named("task_put"),
        {"ids": list(ids), "priorities": list(priorities), "positions": list(positions)},
    )
