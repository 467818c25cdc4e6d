"""Who waits for whom, over all tasks of a project that aim at files, in the order of the queue.

A task waits for open changes, for tasks that run and for those before it in the queue, and these wait for no
overlap themselves: so nobody waits in a circle, and nobody that is behind goes first.
"""

import asyncio
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.tasks.overlaps import RUNNING, Aim, Surroundings, look_around, note_overlaps
from pullyard.coordinator.tasks.release import release_task
from pullyard.coordinator.tasks.transition import lock_project, lock_task, move_task
from pullyard.lifecycle.task import PendingReason, TaskEvent, TaskState
from pullyard.protocol.errors import Conflict
from pullyard.store.queries import named

MOST_LEFT = 10
"""Each is a look of its own."""


async def settle_overlaps(connection: AsyncConnection, tenant_id: str, project_id: str) -> bool:
    """Holds and queues its tasks, and notes what each overlaps with; whether one was moved. Repeatable."""
    await lock_project(connection, tenant_id, project_id)
    around = await look_around(connection, tenant_id, project_id)
    ahead: list[Aim] = []
    moved = False
    for aim in around.aims:
        row = aim.row
        if row.state in RUNNING:
            continue
        if row.project_id != project_id:
            ahead += [aim] if row.state == TaskState.QUEUED else []
            continue
        # Comparing takes a while where there is much to compare, and others wait for this process.
        await asyncio.sleep(0)
        overlaps = around.overlaps(aim, ahead)
        blocked = aim.is_blocked(overlaps)
        await note_overlaps(connection, aim, overlaps)
        if aim.waits and not blocked:
            ahead.append(aim)
        moved |= await move(connection, aim, blocked=blocked)
    return await release_left(connection, tenant_id, project_id, around) or moved


async def release_left(
    connection: AsyncConnection, tenant_id: str, project_id: str, around: Surroundings
) -> bool:
    """Those behind more tasks than a look sees do not wait for ever for what is over."""
    # Where there is so much to compare, one look more is as much as the others' work bears.
    most = 1 if around.effort.spent else MOST_LEFT
    where = {"project_id": project_id, "seen": [aim.row.id for aim in around.aims], "most": most}
    left = (await connection.execute(named("overlap_left"), where)).all()
    for row in left:
        # One that waits for a task which will not complete stays as it is.
        with suppress(Conflict):
            await release_task(connection, await lock_task(connection, tenant_id, row.id))
    return bool(left)


async def move(connection: AsyncConnection, aim: Aim, *, blocked: bool) -> bool:
    if blocked and aim.row.state == TaskState.QUEUED:
        await move_task(connection, aim.row, TaskEvent.HOLD, pending=PendingReason.OVERLAP)
        return True
    if aim.waits and not blocked and aim.row.state == TaskState.PENDING:
        await move_task(connection, aim.row, TaskEvent.ENQUEUE)
        return True
    return False
