"""A person of a history who sets budgets, and who looks in now and then to lift what is spent, or says no."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from pullyard.coordinator.costs.budgets import write
from pullyard.coordinator.costs.pause import RAISE, STOP
from pullyard.coordinator.executions.answer import answer_question
from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.protocol.budgets import BudgetInput
from pullyard.protocol.errors import Conflict
from pullyard.protocol.workflows import AnswerInput
from simulation.checks_money import is_spent
from simulation.coordinator import TENANT
from simulation.memory import MemoryDatabase, Row
from simulation.money import SHARED, MoneyPlan, PlannedBudget
from simulation.statements_spending import in_period

PROJECT = "proj_0"
SECONDS = 40.0
"""Between two looks, at most."""


class Person:
    def __init__(
        self, database: MemoryDatabase, plan: MoneyPlan, dice: random.Random, news: Callable[[], None]
    ) -> None:
        self._database = database
        self._plan = plan
        self._dice = dice
        self._news = news

    async def set_budgets(self) -> None:
        for planned in self._plan.budgets:
            await self._set(planned, planned.limit_micros, planned.limit_tokens)

    async def _set(self, planned: PlannedBudget, micros: int | None, tokens: int | None) -> None:
        wish = BudgetInput(
            scope=planned.scope,
            project_id=PROJECT if planned.scope is BudgetScope.PROJECT else None,
            period=planned.period,
            limit_micros=micros,
            limit_tokens=tokens,
        )
        async with self._database.transaction() as connection:
            await write(connection, TENANT, wish)

    async def lift(self, clock: Callable[[], float]) -> None:
        while True:
            await asyncio.sleep(5.0 + self._dice.random() * SECONDS)
            for execution in list(self._database.tables.task_executions.values()):
                if execution["state"] == "waiting_input":
                    await self._answer(execution)
            for budget in list(self._database.tables.budgets.values()):
                if budget["scope"] in SHARED and self._raises(budget, clock()):
                    planned = PlannedBudget(
                        BudgetScope(budget["scope"]), BudgetPeriod(budget["period"]), 0, 0
                    )
                    more = [value and 2 * value for value in (budget["limit_micros"], budget["limit_tokens"])]
                    await self._set(planned, *more)
            self._news()

    def _raises(self, budget: Row, at: float) -> bool:
        """What is spent, unless it begins anew soon."""
        seen = in_period(self._database.tables, budget)
        return is_spent(seen) and not (budget["period"] == "day" and at < self._plan.midnight < 1000.0)

    async def _answer(self, execution: Row) -> None:
        asked: Any = execution["question"]
        waits = asked["budget"]["period"] == "day" and self._plan.midnight < 1000.0
        if waits and self._dice.random() < 0.7:
            return
        says = STOP if self._dice.random() < self._plan.refuses else self._dice.choice((RAISE, RAISE, "0.10"))
        if says == "0.10" and asked["budget"]["unit"] == "tokens":
            says = "30000"
        wish = AnswerInput(answer=says, question_id=asked["id"])
        try:
            async with self._database.transaction() as connection:
                await answer_question(connection, TENANT, execution["id"], wish, member_id=None)
        except (Conflict, IllegalTransition):
            # It was answered, or it ended, meanwhile.
            return
