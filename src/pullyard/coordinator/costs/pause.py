"""A spent budget: nothing more is begun, and those that are under way wait for a person to lift it."""

import re
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.costs.account import (
    Account,
    Bound,
    Unit,
    add_usage,
    described,
    lock_spending,
    write_budget,
)
from pullyard.coordinator.executions.fenced import is_live, lock_execution
from pullyard.coordinator.executions.question import put_question, take_answer
from pullyard.coordinator.storable import storable
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.lifecycle.execution import PHASE_STATES, Phase
from pullyard.lifecycle.money import dollars, to_micros
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import SpendingRequest, Usage
from pullyard.store.queries import named

RAISE = "raise"
STOP = "stop"
LIFTED = "lifted"
WITHDRAWN = "withdrawn"
NAME_CHARACTERS = 100
MOST = 10**15
_AMOUNT = re.compile(r"\$?([0-9]{1,9}(?:\.[0-9]{1,6})?)")

_ORDER = list(Phase)
_WHOSE = {
    BudgetScope.TENANT: "of all projects together",
    BudgetScope.PROJECT: "of the project",
    BudgetScope.TASK: "of the task",
    BudgetScope.EXECUTION: "of an execution",
}
_WHEN = {BudgetPeriod.DAY: "for today", BudgetPeriod.MONTH: "for this month", BudgetPeriod.TOTAL: ""}


def amount_of(unit: Unit, amount: int) -> str:
    return dollars(amount) if unit == "micros" else f"{amount} tokens"


def why_spent(bound: Bound) -> str:
    period = bound.budget.period if bound.budget else BudgetPeriod.TOTAL
    words = ["The budget", _WHOSE[bound.scope], _WHEN[period]]
    return f"{' '.join(filter(None, words))} is spent: {amount_of(bound.unit, bound.cap.limit)}."


def is_stopped(question: Any) -> bool:
    return bool(question and question.get("budget") and question.get("answer") == STOP)


async def close_what_is_spent(connection: AsyncConnection, account: Account) -> None:
    """From now on no claim begins anything on it. Takes the project's lock."""
    scopes = {bound.scope for bound in account.spent}
    if BudgetScope.PROJECT in scopes:
        await lock_project(connection, account.row.tenant_id, account.row.project_id)
        await count_project(connection, account.row.project_id)
    if BudgetScope.TENANT in scopes:
        await count_tenant(connection, account.row.tenant_id)


async def count_project(connection: AsyncConnection, project_id: str) -> None:
    """Whether one of its budgets is spent, and until when; under the project's lock."""
    await connection.execute(named("project_spent_until"), {"project_id": project_id})


async def count_tenant(connection: AsyncConnection, tenant_id: str) -> None:
    await connection.execute(named("tenant_spent_until"), {"tenant_id": tenant_id})


async def settle_pause(connection: AsyncConnection, whose: tuple[str, str], request: SpendingRequest) -> None:
    """Ask a person where a budget is spent, and end the question where that is over."""
    tenant_id, execution_id = whose
    execution = await lock_execution(connection, tenant_id, execution_id)
    if not is_live(execution) or execution.fence != request.fence:
        return
    row = await lock_spending(connection, tenant_id, execution_id)
    account = await add_usage(connection, row, Usage())
    if account.spent and request.asks:
        await ask_about(connection, execution, account.spent[0], request)
    elif is_open(execution.question) and execution.question.get("budget"):
        await take_answer(connection, execution, WITHDRAWN if account.spent else LIFTED, None)


async def ask_about(
    connection: AsyncConnection, execution: Any, bound: Bound, request: SpendingRequest
) -> None:
    """Unless it is asked already, or was answered with a no.

    A phase that was not reported yet is waited for: its report would be lost behind the question.
    """
    known: dict[str, Any] = execution.question or {}
    if is_open(known) or is_stopped(known) or execution.state != PHASE_STATES[request.phase]:
        return
    number = 1 + (known["budget"]["number"] if known.get("budget") else 0)
    example = "5.00" if bound.unit == "micros" else "100000"
    question = {
        "id": f"budget-{number}",
        "node": storable(request.node)[:NAME_CHARACTERS],
        "question": f"{why_spent(bound)} Answer with an amount to add to it, such as {example}, "
        f"with '{RAISE}' for as much again, or with '{STOP}'.",
        "choices": [RAISE, STOP],
        "text": True,
        "budget": {"number": number, **described(bound)},
    }
    await put_question(connection, execution, question)


def is_open(question: Any) -> bool:
    return bool(question) and "answer" not in question


async def withdraw_if_gone_on(connection: AsyncConnection, execution: Any, phase: Phase) -> bool:
    """A phase after the one that asked has begun: nobody waits for the answer. True where there was one.

    ``execution`` is a live one, read under its project's lock.
    """
    question = execution.question
    if not is_open(question) or not question.get("budget"):
        return False
    if _ORDER.index(phase) <= _ORDER.index(Phase(question["phase"])):
        return False
    await take_answer(connection, execution, WITHDRAWN, None)
    return True


async def take_budget_answer(connection: AsyncConnection, execution: Any, answer: str) -> None:
    """Raise what the question was about, before the answer is taken. Raises RequestError for other words."""
    asked = execution.question["budget"]
    if answer == STOP:
        return
    unit: Unit = asked["unit"]
    row = await lock_spending(connection, execution.tenant_id, execution.id)
    account = await add_usage(connection, row, Usage())
    bound = next(
        (
            one
            for one in account.bounds
            if one.unit == unit
            and one.scope == asked["scope"]
            and (one.budget.id if one.budget else None) == asked["budget_id"]
        ),
        None,
    )
    if bound is not None:
        await add_to(connection, account, bound, read_amount(answer, unit, asked["limit"]))


def read_amount(answer: str, unit: Unit, limit: int) -> int:
    """``raise`` is as much again. Raises RequestError."""
    if answer == RAISE:
        return max(1, limit)
    match = _AMOUNT.fullmatch(answer.strip())
    amount = 0
    if match:
        amount = to_micros(Decimal(match[1])) if unit == "micros" else int(Decimal(match[1]))
    if not 0 < amount <= MOST:
        raise RequestError(
            f"Answer with an amount to add, with '{RAISE}' or with '{STOP}'.",
            code="invalid-answer",
            details={"choices": [RAISE, STOP]},
        )
    return amount


async def add_to(connection: AsyncConnection, account: Account, bound: Bound, amount: int) -> None:
    """To what is spent of a tenant or a project only for this period; to the others for good."""
    row, budget = account.row, bound.budget
    if bound.scope is BudgetScope.TASK:
        raised = {"micros": None, "tokens": None, bound.unit: bound.cap.limit + amount}
        await connection.execute(named("task_allow"), {"id": row.task_id, **raised})
        return
    if bound.scope is BudgetScope.EXECUTION:
        added = {"micros": 0, "tokens": 0, bound.unit: amount}
        await connection.execute(named("execution_extra"), {"id": row.id, **added})
        return
    assert budget is not None
    name = f"extra_{bound.unit}"
    setattr(budget, name, min(MOST, getattr(budget, name) + amount))
    budget.warned = False
    await write_budget(connection, budget)
    if bound.scope is BudgetScope.PROJECT:
        await count_project(connection, row.project_id)
    else:
        await count_tenant(connection, row.tenant_id)
