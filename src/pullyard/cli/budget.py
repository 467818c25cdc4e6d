"""``pullyard budget``: the most that may be spent, in money and in tokens."""

from typing import Annotated

import typer

from pullyard.cli.inputs import checked, money
from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.budgets import BudgetPeriod, BudgetScope
from pullyard.lifecycle.money import dollars
from pullyard.protocol.budgets import Budget, BudgetInput
from pullyard.protocol.errors import RequestError

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
EACH = {"task": BudgetScope.TASK, "execution": BudgetScope.EXECUTION}


@app.command("set")
def put(
    context: typer.Context,
    *,
    project: Annotated[str | None, typer.Option(help="Its name or its id; default: all projects.")] = None,
    each: Annotated[str | None, typer.Option(help="task or execution: for each one.")] = None,
    per: Annotated[str, typer.Option(help="day, month or total, by UTC.")] = "total",
    dollars_limit: Annotated[str | None, typer.Option("--dollars", help="Such as 12.50.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Of input and output together.")] = None,
    warn: Annotated[int | None, typer.Option(help="Percent of it, from which on an event warns.")] = None,
) -> None:
    """Set a budget, or change the one that is there for the same."""
    terminal: Terminal = context.obj
    if each is not None and each not in EACH:
        raise RequestError("--each takes task or execution.")
    with connect(terminal) as client:
        found = find_project(client, project) if project else None
        scope = EACH[each] if each else BudgetScope.PROJECT if found else BudgetScope.TENANT
        wish = {
            "scope": scope,
            "project_id": found.id if found else None,
            "period": per,
            "limit_micros": money(dollars_limit),
            "limit_tokens": tokens,
            "warn_percent": warn,
        }
        budget = client.set_budget(checked(BudgetInput, wish))
    terminal.say(f"Set budget {budget.id}: {limits_of(budget)}.")
    terminal.finish(budget)


@app.command("list")
def list_budgets(
    context: typer.Context,
    *,
    project: Annotated[str | None, typer.Option(help="Only this one's.")] = None,
) -> None:
    """All budgets, with what is spent of them."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_project(client, project) if project else None
        budgets = list(client.budgets(project_id=found.id if found else None))
        names = {one.id: one.name for one in client.projects()}
    rows = [
        (
            one.id,
            names.get(one.project_id, one.project_id) if one.project_id else "all projects",
            f"each {one.scope}" if one.scope in EACH else one.scope,
            one.period,
            limits_of(one),
            spent_of(one),
        )
        for one in budgets
    ]
    terminal.rows(("BUDGET", "PROJECT", "OF", "PERIOD", "LIMIT", "SPENT"), rows)
    terminal.finish(budgets)


@app.command("remove")
def remove(context: typer.Context, budget: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Remove a budget; what waited for it goes on."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        client.remove_budget(budget)
    terminal.say(f"Removed {budget}.")
    terminal.finish({"removed": budget})


def limits_of(budget: Budget) -> str:
    """With what was added for this period."""
    parts = []
    if budget.limit_micros is not None:
        parts.append(dollars(budget.limit_micros + budget.extra_micros))
    if budget.limit_tokens is not None:
        parts.append(f"{budget.limit_tokens + budget.extra_tokens} tokens")
    per = "" if budget.period is BudgetPeriod.TOTAL else f" a {budget.period}"
    return " and ".join(parts) + per


def spent_of(budget: Budget) -> str:
    if budget.spent_micros is None:
        return ""
    return f"{dollars(budget.spent_micros)}, {budget.spent_tokens} tokens"
