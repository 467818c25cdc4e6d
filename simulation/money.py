"""What is spent in a history: its budgets, and the provider, who knows nothing of them."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import Usage
from pullyard.worker.failures import PhaseFailed
from pullyard.worker.gateway.ledger import BudgetSpent, Failure, Ledger
from pullyard.worker.gateway.limits import RateLimited
from pullyard.worker.gateway.windows import QuotaReached

WITH_MONEY = 0.15
"""The share of the histories in which anything is spent: these take longer than the others."""
CREDENTIAL = "simulated"
SHARED = (BudgetScope.TENANT, BudgetScope.PROJECT)


@dataclass(frozen=True)
class PlannedBudget:
    scope: BudgetScope
    period: BudgetPeriod
    limit_micros: int | None
    limit_tokens: int | None


@dataclass(frozen=True)
class MoneyPlan:
    budgets: tuple[PlannedBudget, ...]
    """Of the tenant, and of its first project."""
    most_requests: int
    """Of one execution."""
    most_micros: int
    """Of one request."""
    limited: float
    """How likely a request runs into the provider's limit."""
    quota_wait_seconds: float
    midnight: float
    """When the day ends; a person leaves budgets of a day to that, where it is soon."""
    refuses: float
    """How likely a person says no."""


def plan_money(seed: str) -> MoneyPlan | None:
    """From dice of its own, so that what else a seed stands for is the same without it."""
    dice = random.Random(f"{seed}:spent")
    if dice.random() >= WITH_MONEY:
        return None
    day, total = BudgetPeriod.DAY, BudgetPeriod.TOTAL
    kinds = [
        (BudgetScope.TENANT, day),
        (BudgetScope.TENANT, total),
        (BudgetScope.PROJECT, total),
        (BudgetScope.PROJECT, day),
        (BudgetScope.TASK, total),
        (BudgetScope.EXECUTION, total),
    ]
    budgets = [
        PlannedBudget(
            scope,
            period,
            limit_micros=dice.choice((80_000, 200_000, 500_000)),
            limit_tokens=dice.choice((None, None, 60_000)),
        )
        for scope, period in dice.sample(kinds, dice.choice((1, 1, 2)))
    ]
    return MoneyPlan(
        budgets=tuple(budgets),
        most_requests=dice.choice((3, 8)),
        most_micros=dice.choice((20_000, 60_000)),
        limited=dice.choice((0.0, 0.0, 0.1)),
        quota_wait_seconds=dice.choice((2.0, 900.0)),
        midnight=dice.choice((40.0, 90.0, 6400.0)),
        refuses=dice.choice((0.0, 0.0, 0.3)),
    )


@dataclass
class Provider:
    """The truth: what each execution really used, whoever was told of it."""

    plan: MoneyPlan
    used: dict[str, Usage] = field(default_factory=dict[str, Usage])
    largest: dict[str, Usage] = field(default_factory=dict[str, Usage])
    """Of one request, in each unit."""
    unsure: set[str] = field(default_factory=set[str])
    """Executions whose worker was killed: what it had not told is known to nobody."""
    limits: dict[str, float] = field(default_factory=dict[str, float])
    """When the limit ends that an execution ran into."""

    def sell(self, execution_id: str, tokens: int, micros: int) -> None:
        bought = Usage(input_tokens=tokens, output_tokens=1, cost_micros=micros)
        before = self.largest.get(execution_id, Usage())
        self.used[execution_id] = self.used.get(execution_id, Usage()).plus(bought)
        self.largest[execution_id] = Usage(
            input_tokens=max(before.input_tokens, tokens),
            output_tokens=1,
            cost_micros=max(before.cost_micros, micros),
        )

    async def spend(self, context: Any, dice: random.Random) -> None:
        """As an agent does through the gateway, some at once. Raises PhaseFailed, as the worker does."""
        spent = context.record.usage
        ledger = Ledger(
            share=context.share, windows=context.tools.windows, execution_id=context.grant.execution_id
        )
        context.share.begin(spent, ledger.usage)
        try:
            for _ in range(dice.randrange(self.plan.most_requests + 1)):
                at_once = dice.choice((1, 1, 2))
                seeds = [dice.random() for _ in range(at_once)]
                asking = [self.request(ledger, random.Random(seed)) for seed in seeds]
                # Those that run are settled before the step is over, as the gateway's exchanges are.
                for outcome in await asyncio.gather(*asking, return_exceptions=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
        except (BudgetSpent, QuotaReached) as over:
            # The limit may have ended while others were waited for: the agent has given up all the same.
            verdict = ledger.verdict()
            raise PhaseFailed(verdict.reason or Reason.AGENT_FAILED, verdict.message) from over
        finally:
            context.record.usage = spent.plus(ledger.usage)
            context.share.end(context.record.usage)
            if ledger.limited is not None:
                context.quota_seconds = ledger.limited.seconds_left() or 0.0
                now = asyncio.get_running_loop().time()
                self.limits[ledger.execution_id] = now + context.quota_seconds
        await context.share.withdraw()

    async def request(self, ledger: Ledger, dice: random.Random) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(dice.random() * 2.0)
        if dice.random() < self.plan.limited:
            until = loop.time() + dice.choice((3.0, 40.0))
            ledger.fail(Failure(429, "It is too much.", RateLimited(CREDENTIAL, 429, until)))
        await ledger.passes(CREDENTIAL)
        micros, tokens = dice.randrange(1, self.plan.most_micros), dice.randrange(1, 10_000)
        async with ledger.reserve(2 * micros, 2 * tokens):
            await asyncio.sleep(dice.random() * 2.0)
            ledger.went_well()
            ledger.record(tokens, 1, micros)
            self.sell(ledger.execution_id, tokens, micros)
