"""What both members of the store are asked to do with money; see test_conformance.py."""

from typing import Any

from simulation.coordinator import TENANT

from pullyard.coordinator.costs.budgets import write
from pullyard.coordinator.costs.quota import close_windows
from pullyard.coordinator.costs.spending import hear_request
from pullyard.coordinator.executions.answer import answer_question
from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.lifecycle.execution import Phase
from pullyard.protocol.budgets import BudgetInput
from pullyard.protocol.worker import Grant, QuotaWindow, Spending, SpendingRequest, Usage
from pullyard.protocol.workflows import AnswerInput


def pick(pair: Any) -> tuple[Grant, str, int]:
    """An execution, who speaks for it and by which fence; mostly the right ones."""
    grant = pair.dice.choice(pair.grants)
    worker = pair.holders[grant.execution_id] if pair.dice.random() < 0.95 else "work_2"
    return grant, worker, grant.fence - (pair.dice.random() < 0.05)


async def bound(pair: Any) -> None:
    dice = pair.dice
    scope = dice.choice(list(BudgetScope))
    shared = scope in (BudgetScope.TENANT, BudgetScope.PROJECT)
    wish = BudgetInput(
        scope=scope,
        project_id="proj_0" if scope is BudgetScope.PROJECT else None,
        period=dice.choice((BudgetPeriod.DAY, BudgetPeriod.TOTAL)) if shared else BudgetPeriod.TOTAL,
        limit_micros=dice.choice((30_000, 10**7, 10**7)),
        limit_tokens=dice.choice((None, None, None, 10**6)),
    )

    async def act(side: Any) -> str:
        async with side.database.transaction() as connection:
            return await write(connection, TENANT, wish)

    await pair.both(act)


async def spend(pair: Any) -> None:
    grant, worker, fence = pick(pair)
    dice, known = pair.dice, pair.memory.database.tables.task_executions[grant.execution_id]
    usage = Usage(
        input_tokens=max(0, known["input_tokens"] + dice.randrange(-100, 900)),
        output_tokens=known["output_tokens"] + 1,
        cost_micros=max(0, known["cost_micros"] + dice.randrange(-100, 9_000)),
    )
    request = SpendingRequest(
        fence=fence,
        node="implement",
        phase=Phase.IMPLEMENT,
        spending=Spending(
            number=max(0, known["share_number"] + dice.choice((-1, 1, 1))),
            usage=usage,
            kept_micros=usage.cost_micros + dice.choice((0, 9_000)),
        ),
        asks=dice.random() < 0.8,
    )

    async def act(side: Any) -> Any:
        return await hear_request(side.services, TENANT, worker, grant.execution_id, request)

    await pair.both(act)


async def limited(pair: Any) -> None:
    grant, worker, _ = pick(pair)
    window = QuotaWindow(execution_id=grant.execution_id, credential="anthropic", seconds=3.0)
    await pair.both(lambda side: close_windows(side.services, TENANT, worker, [window]))


async def say(pair: Any) -> None:
    grant, _, _ = pick(pair)
    wish = AnswerInput(answer=pair.dice.choice(("raise", "stop", "0.10", "7000", "nonsense")))

    async def act(side: Any) -> None:
        async with side.database.transaction() as connection:
            await answer_question(connection, TENANT, grant.execution_id, wish, member_id=None)

    await pair.both(act)
