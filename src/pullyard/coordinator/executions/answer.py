"""An execution asks a person, and a person answers; the worker finds the answer in its next heartbeat.

While it waits it keeps its worker's slot and its project's: the working copy lies on that worker.
"""

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.costs.pause import take_budget_answer
from pullyard.coordinator.executions.fenced import is_live, lock_execution, lock_own_execution
from pullyard.coordinator.executions.question import put_question, take_answer
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.execution import ExecutionState
from pullyard.protocol.errors import Conflict, LostLease, NotFound, RequestError
from pullyard.protocol.worker import AskRequest
from pullyard.protocol.workflows import AnswerInput, Question
from pullyard.store.queries import named

QUESTION_CHARACTERS = 2000
NAME_CHARACTERS = 100
MAX_CHOICES = 20
DIFF_CHARACTERS = 1 << 20


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
    question = {
        "id": request.question_id,
        "node": request.node,
        "question": request.question,
        "choices": request.choices,
        "text": request.text,
        "diffstat": msgspec.to_builtins(request.diffstat),
        "diff": request.diff,
        "diff_truncated": request.diff_truncated,
        "receipt": msgspec.to_builtins(request.receipt),
    }
    await put_question(connection, row, storable(question))


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
    if known == wish.answer:
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
    if question.get("budget"):
        await take_budget_answer(connection, row, wish.answer)
    await take_answer(connection, row, wish.answer, member_id)


async def read_question(connection: AsyncConnection, tenant_id: str, execution_id: str) -> Question:
    parameters = {"tenant_id": tenant_id, "execution_id": execution_id}
    question = await connection.scalar(named("question_read"), parameters)
    if question is None:
        raise NotFound("question")
    return Question.model_validate(question)
