"""The tasks of a list run in the order of the file, as long as nobody moved one by hand."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.tasks.position import make_room, set_places
from pullyard.lifecycle.task_lists.order import that_stay
from pullyard.store.queries import named


async def put_in_order(
    connection: AsyncConnection,
    project_id: str,
    tasks: Sequence[Any],
    placeless: set[str],
    in_file: Sequence[str],
) -> None:
    """``tasks`` wait and are in the order of the file, ``placeless`` are the keys of those just queued.

    Each priority is a queue of its own. While the file has its old order the places of the old tasks are left
    alone, so that a move by hand lasts; new ones come behind the item that stands before them in the file.
    """
    followed = (await connection.execute(named("list_row"), {"project_id": project_id})).one()
    known = set(followed.keys)
    same_order = [key for key in in_file if key in known] == [
        key for key in followed.keys if key in set(in_file)
    ]
    queues: dict[int, list[Any]] = defaultdict(list)
    for task in tasks:
        queues[task.priority].append(task)
    for priority, queue in queues.items():
        places = [None if task.list_key in placeless else task.position for task in queue]
        stay = that_stay(places)
        if same_order:
            stay = {index for index, place in enumerate(places) if place is not None}
        await place_others(connection, project_id, priority, queue, stay)


async def place_others(
    connection: AsyncConnection, project_id: str, priority: int, queue: Sequence[Any], stay: set[int]
) -> None:
    """Put every run of tasks that do not stay behind the one before it, or else before the one after it."""
    moved = [task.id for index, task in enumerate(queue) if index not in stay]
    index = 0
    while index < len(queue):
        if index in stay:
            index += 1
            continue
        end = next((one for one in range(index, len(queue)) if one in stay), len(queue))
        # Read again: making room for the run before may have moved its neighbour.
        above = await position_of(connection, project_id, queue[index - 1].id) if index else None
        below = None
        if above is None and end < len(queue):
            below = await position_of(connection, project_id, queue[end].id)
        run = [task.id for task in queue[index:end]]
        positions = await make_room(
            connection, project_id, priority, len(run), above=above, below=below, without=moved
        )
        await set_places(connection, run, [priority] * len(run), positions)
        moved = [one for one in moved if one not in run]
        index = end


async def position_of(connection: AsyncConnection, project_id: str, task_id: str) -> int:
    row = (await connection.execute(named("task_place"), {"project_id": project_id, "id": task_id})).one()
    return row.position
