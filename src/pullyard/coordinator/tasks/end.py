"""What follows when a task has ended: what waits for it goes on, or fails with it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.on_failure import Failure, judge_ending
from pullyard.coordinator.changes.attention import tell_not_updated
from pullyard.coordinator.tasks.release import release_task
from pullyard.coordinator.tasks.transition import move_task
from pullyard.lifecycle.task import FINAL_TASK_STATES, TaskEvent, TaskState
from pullyard.store.queries import named


async def end_task(
    connection: AsyncConnection, task: Any, event: TaskEvent, *, reason: str | None = None, message: str = ""
) -> None:
    """Move ``task`` to a final state, and everything that waits for it as far as that decides.

    Where the project's error policy has an answer to its failure, the task waits for that instead.
    """
    ended: list[tuple[Any, TaskEvent, str | None, str]] = [(task, event, reason, message)]
    if event is not TaskEvent.COMPLETE:
        verdict = await judge_ending(connection, task, event, Failure(reason, message))
        if verdict.held:
            return
        ended += [(other, TaskEvent.FAIL, why.reason, why.message) for other, why in verdict.also]
        await tell_not_updated(connection, task)
    elif task.resolves is not None:
        await connection.execute(named("resolution_take_over"), {"resolution": task.id})
    seen: set[str] = set()
    while ended:
        current, what, why, words = ended.pop()
        if current.id in seen:
            # It waits for two tasks that ended together.
            continue
        seen.add(current.id)
        state = await move_task(connection, current, what, reason=why, message=words)
        assert state in FINAL_TASK_STATES
        waiting = (await connection.execute(named("task_dependents"), {"id": current.id})).all()
        for dependent in waiting:
            if state is not TaskState.COMPLETED:
                sentence = f"It waits for task #{current.number}, which is {state.value}."
                ended.append((dependent, TaskEvent.FAIL, None, sentence))
            elif dependent.open_dependencies == 0:
                await release_task(connection, dependent)
