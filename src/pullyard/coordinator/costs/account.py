"""What an execution and all that bound it have spent, as it stands within one transaction."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.lifecycle.budgets import LEAST_MICROS, LEAST_TOKENS, BudgetPeriod, BudgetScope, Cap
from pullyard.protocol.errors import NotFound
from pullyard.protocol.worker import Usage
from pullyard.store.queries import named

Unit = Literal["micros", "tokens"]
UNITS: tuple[Unit, ...] = ("micros", "tokens")
LEAST = {"micros": LEAST_MICROS, "tokens": LEAST_TOKENS}
SHARED = (BudgetScope.TENANT, BudgetScope.PROJECT)


@dataclass
class Kept:
    """A row of ``budgets`` under its lock, in the period of now."""

    id: str
    tenant_id: str
    project_id: str | None
    scope: BudgetScope
    period: BudgetPeriod
    limit_micros: int | None
    limit_tokens: int | None
    warn_percent: int
    start: date
    spent_micros: int
    spent_tokens: int
    extra_micros: int
    extra_tokens: int
    warned: bool

    @classmethod
    def read(cls, row: Any) -> "Kept":
        """The database's words become the enumerations' members, which are told apart by identity."""
        words: dict[str, Any] = {**row}
        words |= {"scope": BudgetScope(words["scope"]), "period": BudgetPeriod(words["period"])}
        return cls(**words)


@dataclass(frozen=True)
class Bound:
    """One limit of one unit. ``budget`` None is the task's own."""

    scope: BudgetScope
    unit: Unit
    cap: Cap
    budget: Kept | None = None

    @property
    def shared(self) -> Kept | None:
        """The budget, where other tasks spend from it, too."""
        return self.budget if self.scope in SHARED else None

    @property
    def warns(self) -> bool:
        percent = self.budget.warn_percent if self.budget else 80
        return self.cap.spent * 100 >= self.cap.limit * percent


@dataclass
class Account:
    """``row`` is the execution's, under its lock and as it was before; ``usage`` what it has used by now."""

    row: Any
    usage: Usage
    added: bool
    bounds: list[Bound] = field(default_factory=list[Bound])

    @property
    def spent(self) -> list[Bound]:
        return [bound for bound in self.bounds if bound.cap.is_spent]

    @property
    def units(self) -> set[Unit]:
        """Those that something bounds."""
        return {bound.unit for bound in self.bounds}

    def used(self, unit: Unit) -> int:
        usage = self.usage
        return usage.cost_micros if unit == "micros" else usage.input_tokens + usage.output_tokens


async def lock_spending(connection: AsyncConnection, tenant_id: str, execution_id: str) -> Any:
    """The execution's row, with its own lock and not its project's. Raises NotFound."""
    parameters = {"tenant_id": tenant_id, "id": execution_id}
    row = (await connection.execute(named("spending_lock"), parameters)).one_or_none()
    if row is None:
        raise NotFound("execution")
    return row


async def add_usage(connection: AsyncConnection, row: Any, told: Usage) -> Account:
    """Count what was spent since the last time, in everything that it bounds. ``told`` never goes back."""
    usage = Usage(
        input_tokens=max(row.input_tokens, told.input_tokens),
        output_tokens=max(row.output_tokens, told.output_tokens),
        cost_micros=max(row.cost_micros, told.cost_micros),
    )
    micros = usage.cost_micros - row.cost_micros
    tokens = usage.input_tokens + usage.output_tokens - row.input_tokens - row.output_tokens
    account = Account(row, usage, added=bool(micros or tokens))
    parameters = {"tenant_id": row.tenant_id, "project_id": row.project_id}
    rows = (await connection.execute(named("budgets_lock"), parameters)).mappings()
    budgets = [Kept.read(one) for one in rows]
    if account.added:
        for budget in budgets:
            budget.spent_micros += micros
            budget.spent_tokens += tokens
        await connection.execute(named("spending_add"), {**parameters, "micros": micros, "tokens": tokens})
        await note_usage(connection, account)
    own = row.task_micros is not None or row.task_tokens is not None
    if budgets or own:
        account.bounds = await bounds_of(connection, account, budgets)
    if account.added:
        await warn(connection, account, before={"micros": micros, "tokens": tokens})
        for budget in budgets:
            if budget.scope in SHARED:
                await write_budget(connection, budget)
    return account


async def note_usage(connection: AsyncConnection, account: Account) -> None:
    """On the execution, live; the feed is told of it now and then."""
    row, usage = account.row, account.usage
    live = row.finished_at is None
    values = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_micros": usage.cost_micros,
    }
    told = live and row.is_news
    await connection.execute(named("spending_note"), {"id": row.id, **values, "told": told})
    if told:
        about = TaskNews(row.tenant_id, row.project_id, row.task_id, row.id)
        await tell(connection, "execution.usage", about, {"state": row.state, **values})


async def write_budget(connection: AsyncConnection, budget: Kept) -> None:
    names = ("id", "start", "spent_micros", "spent_tokens", "extra_micros", "extra_tokens", "warned")
    await connection.execute(named("budget_spend"), {name: getattr(budget, name) for name in names})


async def bounds_of(connection: AsyncConnection, account: Account, budgets: list[Kept]) -> list[Bound]:
    """Every limit that the execution is under."""
    row = account.row
    parameters = {"tenant_id": row.tenant_id, "project_id": row.project_id, "id": row.id}
    held = (await connection.execute(named("budgets_held"), parameters)).one()
    task = (await connection.execute(named("task_spent"), {"task_id": row.task_id})).one()
    bounds = list(own_bounds(row, task))
    own = {bound.unit for bound in bounds}
    for budget in budgets:
        for unit in UNITS:
            limit = getattr(budget, f"limit_{unit}")
            if limit is None or (budget.scope is BudgetScope.TASK and unit in own):
                continue
            bounds.append(Bound(budget.scope, unit, cap_of(account, budget, unit, (held, task)), budget))
    return bounds


def own_bounds(row: Any, task: Any) -> Iterator[Bound]:
    """The task's own, in place of what its project has for each task."""
    for unit in UNITS:
        limit = getattr(row, f"task_{unit}")
        if limit is not None:
            yield Bound(BudgetScope.TASK, unit, Cap(limit, getattr(task, unit)))


def cap_of(account: Account, budget: Kept, unit: Unit, others: tuple[Any, Any]) -> Cap:
    held, task = others
    limit = getattr(budget, f"limit_{unit}")
    match budget.scope:
        case BudgetScope.TASK:
            return Cap(limit, getattr(task, unit))
        case BudgetScope.EXECUTION:
            return Cap(limit + getattr(account.row, f"extra_{unit}"), account.used(unit))
        case scope:
            return Cap(
                limit + getattr(budget, f"extra_{unit}"),
                getattr(budget, f"spent_{unit}"),
                getattr(held, f"{scope}_{unit}"),
                getattr(held, f"{scope}_claimants"),
            )


async def warn(connection: AsyncConnection, account: Account, *, before: dict[Unit, int]) -> None:
    """Tell once when a limit is near, and once when it is reached."""
    row, warned = account.row, False
    for bound in account.bounds:
        shared = bound.shared
        kind = news_of(bound, added=before[bound.unit], warned=shared.warned if shared else row.budget_warned)
        if kind is None:
            continue
        if shared is None:
            warned = True
        else:
            shared.warned = True
        about = TaskNews(row.tenant_id, row.project_id, row.task_id, row.id)
        await tell(connection, kind, about, described(bound))
    if warned and not row.budget_warned:
        await connection.execute(named("execution_warned"), {"id": row.id})


def news_of(bound: Bound, *, added: int, warned: bool) -> str | None:
    """The event that what was ``added`` makes of it, where it makes one."""
    was = replace(bound.cap, spent=bound.cap.spent - added)
    if bound.cap.is_spent and not was.is_spent:
        return "budget.spent"
    return "budget.near" if bound.warns and not warned else None


def described(bound: Bound) -> dict[str, Any]:
    return {
        "budget_id": bound.budget.id if bound.budget else None,
        "scope": bound.scope,
        "period": bound.budget.period if bound.budget else BudgetPeriod.TOTAL,
        "unit": bound.unit,
        "limit": bound.cap.limit,
        "spent": bound.cap.spent,
    }
