"""An execution asks a person, and a person answers; the worker finds the answer in its next heartbeat.

While it waits it keeps its worker's slot and its project's: the working copy lies on that worker.
"""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.executions.fenced import is_live, lock_execution, lock_own_execution
from pullyard.coordinator.storable import storable
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
from pullyard.protocol.errors import Conflict, LostLease, NotFound, RequestError
from pullyard.protocol.worker import AskRequest
from pullyard.protocol.workflows import AnswerInput, Question
from pullyard.store.queries import named

QUESTION_CHARACTERS = 2000
NAME_CHARACTERS = 100
MAX_CHOICES = 20
DIFF_CHARACTERS = 1 << 20
_PHASES = {state: phase for phase, state in PHASE_STATES.items()}


async def ask_person(
    connection: AsyncConnection, tenant_id: str, worker_id: str, execution_id: str, request: AskRequest
) -> None:
    """Repeatable: a question that is known already, answered or not, stays as it is."""
    row = await lock_own_execution(connection, tenant_id, worker_id, execution_id, request.fence)
    if not is_live(row):
        raise LostLease
    if row.question is not None and row.question["id"] == request.question_id:
        return
    check_question(request)
    state = ExecutionState(row.state)
    step("execution", EXECUTION_TRANSITIONS, state, ExecutionEvent.ASK)
    question = {
        "id": request.question_id,
        "node": request.node,
        "question": request.question,
        "choices": request.choices,
        "text": request.text,
        "phase": _PHASES[state],
        "diffstat": msgspec.to_builtins(request.diffstat),
        "diff": request.diff,
        "diff_truncated": request.diff_truncated,
        "receipt": msgspec.to_builtins(request.receipt),
    }
    await connection.execute(named("question_ask"), {"id": execution_id, "question": storable(question)})
    about = TaskNews(tenant_id, row.project_id, row.task_id, execution_id)
    payload = {"state": ExecutionState.WAITING_INPUT, **storable(brief(question))}
    await tell(connection, "execution.waiting_input", about, payload)
    await move_task(
        connection, await task_of(connection, row), TaskEvent.WAIT, message=storable(request.question)
    )


def check_question(request: AskRequest) -> None:
    if not 1 <= len(request.question_id) <= NAME_CHARACTERS or len(request.node) > NAME_CHARACTERS:
        raise RequestError(f"A question's id and node have 1 to {NAME_CHARACTERS} characters.")
    if not 1 <= len(request.question) <= QUESTION_CHARACTERS or len(request.choices) > MAX_CHOICES:
        raise RequestError(f"A question has 1 to {QUESTION_CHARACTERS} characters and few choices.")
    if request.diff is not None and len(request.diff) > DIFF_CHARACTERS:
        raise RequestError(f"A question's diff has at most {DIFF_CHARACTERS} characters: cut it.")


async def answer_question(
    connection: AsyncConnection,
    tenant_id: str,
    execution_id: str,
    wish: AnswerInput,
    *,
    member_id: str | None,
) -> None:
    """Repeatable with the same answer. Raises Conflict where nothing, or something else, is asked."""
    row = await lock_execution(connection, tenant_id, execution_id)
    question = row.question
    if question is None:
        raise Conflict("This execution has asked nothing.", code="not-waiting", details={"state": row.state})
    if wish.question_id is not None and wish.question_id != question["id"]:
        raise Conflict(
            "Another question is asked by now: read it before you answer.",
            code="other-question",
            details={"question_id": question["id"]},
        )
    known = question.get("answer")
    if known is not None and known == wish.answer:
        return
    if known is not None:
        raise Conflict(
            "This question was answered already.", code="already-answered", details={"answer": known}
        )
    if row.state != ExecutionState.WAITING_INPUT:
        raise Conflict(
            f"This execution is {row.state} and waits for no answer any more.",
            code="not-waiting",
            details={"state": row.state},
        )
    if wish.answer not in question["choices"] and not question["text"]:
        raise RequestError(
            f"Answer with one of: {', '.join(question['choices'])}.",
            code="invalid-answer",
            details={"choices": question["choices"]},
        )
    await take_answer(connection, row, wish.answer, member_id)


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


async def read_question(connection: AsyncConnection, tenant_id: str, execution_id: str) -> Question:
    parameters = {"tenant_id": tenant_id, "execution_id": execution_id}
    question = await connection.scalar(named("question_read"), parameters)
    if question is None:
        raise NotFound("question")
    return Question.model_validate(question)


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
