"""A question to a person: put on an execution, and taken off it with the answer."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.transition import move_task
from pullyard.lifecycle.execution import (
    EXECUTION_TRANSITIONS,
    PHASE_EVENTS,
    PHASE_STATES,
    ExecutionEvent,
    ExecutionState,
)
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.task import TaskEvent
from pullyard.store.queries import named

_PHASES = {state: phase for phase, state in PHASE_STATES.items()}


async def put_question(connection: AsyncConnection, row: Any, question: dict[str, Any]) -> None:
    """``row`` is a live execution's, read under its project's lock. Raises IllegalTransition."""
    state = ExecutionState(row.state)
    step("execution", EXECUTION_TRANSITIONS, state, ExecutionEvent.ASK)
    asked = {**question, "phase": _PHASES[state]}
    await connection.execute(named("question_ask"), {"id": row.id, "question": asked})
    about = TaskNews(row.tenant_id, row.project_id, row.task_id, row.id)
    payload = {"state": ExecutionState.WAITING_INPUT, **brief(asked)}
    await tell(connection, "execution.waiting_input", about, payload)
    await move_task(connection, await task_of(connection, row), TaskEvent.WAIT, message=asked["question"])


async def take_answer(connection: AsyncConnection, row: Any, answer: str, member_id: str | None) -> None:
    event = PHASE_EVENTS[row.question["phase"]]
    state = step("execution", EXECUTION_TRANSITIONS, ExecutionState(row.state), event)
    await connection.execute(
        named("question_answer"), {"id": row.id, "state": state, "answer": answer, "member_id": member_id}
    )
    about = TaskNews(row.tenant_id, row.project_id, row.task_id, row.id)
    payload = {"state": state, "question_id": row.question["id"], "answer": answer[:500]}
    await tell(connection, f"execution.{state.value}", about, payload)
    await move_task(connection, await task_of(connection, row), TaskEvent.ANSWER)


async def task_of(connection: AsyncConnection, row: Any) -> Any:
    parameters = {"tenant_id": row.tenant_id, "id": row.task_id}
    return (await connection.execute(named("task_row"), parameters)).one()


def brief(question: dict[str, Any]) -> dict[str, Any]:
    """What an event tells of a question: enough to answer it from a phone."""
    return {
        "question_id": question["id"],
        "node": question["node"],
        "question": question["question"],
        "choices": question["choices"],
        "text": question["text"],
    }
