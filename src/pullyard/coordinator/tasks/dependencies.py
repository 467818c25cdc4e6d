"""What a task waits for: tasks of the same project, never itself by any way round."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.lifecycle.task import TaskState
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.store.queries import named


async def set_dependencies(
    connection: AsyncConnection, project_id: str, task_id: str, depends_on: Sequence[str]
) -> None:
    """Replaces them all, under the project's lock.

    Raises RequestError for a cycle and for tasks of other projects, Conflict for one that will not complete.
    """
    wanted = sorted(set(depends_on))
    found = {
        row.id: row
        for row in await connection.execute(
            named("dependencies_check"), {"project_id": project_id, "task_id": task_id, "ids": wanted}
        )
    }
    check_dependencies(found, wanted)
    await connection.execute(named("dependencies_set"), {"task_id": task_id, "ids": wanted})


def check_dependencies(found: Mapping[str, Any], wanted: Sequence[str]) -> None:
    if unknown := [one for one in wanted if one not in found]:
        raise RequestError(
            "A task waits for tasks of its own project only.",
            code="unknown-dependency",
            details={"unknown": unknown},
        )
    if cyclic := [row.id for row in found.values() if row.waits_for_task]:
        raise RequestError(
            "These tasks would wait for each other.", code="dependency-cycle", details={"tasks": cyclic}
        )
    check_will_complete(found.values())


def check_will_complete(found: Collection[Any]) -> None:
    if unchosen := [row for row in found if row.not_chosen]:
        raise Conflict(
            f"Task #{unchosen[0].number} is a candidate that was not chosen: name the chosen one.",
            code="not-chosen",
            details={"tasks": [row.id for row in unchosen]},
        )
    over = (TaskState.FAILED, TaskState.CANCELLED)
    if ended := [row for row in found if row.state in over and not row.undecided]:
        raise Conflict(
            f"Task #{ended[0].number} is {ended[0].state} and will not complete; retry it first.",
            code="dependency-ended",
            details={"tasks": [row.id for row in ended]},
        )
