"""``pullyard costs``: what was used, by time, project, agent or model."""

from datetime import datetime
from typing import Annotated

import typer

from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.money import dollars
from pullyard.protocol.costs import Costs, CostsBy, CostsRow

app = typer.Typer(rich_markup_mode=None, add_completion=False)
_DAY = ["%Y-%m-%d"]
_HOUR = 3600


@app.command()
def costs(
    context: typer.Context,
    *,
    by: Annotated[CostsBy, typer.Option(help="A row for each.")] = CostsBy.DAY,
    since: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The first day, by UTC; default: of this month.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, help="The day after the last; default: the end of that month."),
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only this one's, by name or id.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a sheet.")] = False,
) -> None:
    """What executions that began in these days have used, each try of a task counted."""
    terminal: Terminal = context.obj
    query = {
        "by": by,
        "since": since.date().isoformat() if since else None,
        "until": until.date().isoformat() if until else None,
    }
    with connect(terminal) as client:
        if project:
            query["project_id"] = find_project(client, project).id
        if as_csv:
            terminal.say_text(client.costs_csv(**query))
            return
        report = client.costs(**query)
    rows = [(named(row), *numbers(row)) for row in report.rows]
    heads = (by.upper(), "COST", "INPUT", "OUTPUT", "EXECUTIONS", "HOURS")
    terminal.rows(heads, [*rows, ("all", *numbers(report.total))])
    terminal.finish(report)


def named(row: CostsRow) -> str:
    return row.name or row.key or "not told"


def numbers(costs: Costs) -> tuple[str, ...]:
    hours = "" if costs.seconds is None else f"{costs.seconds / _HOUR:.1f}"
    return (
        dollars(costs.cost_micros),
        str(costs.input_tokens),
        str(costs.output_tokens),
        str(costs.executions),
        hours,
    )
