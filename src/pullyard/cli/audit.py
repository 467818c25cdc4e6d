"""``pullyard audit``: who did what."""

from itertools import islice
from typing import Annotated

import typer

from pullyard.cli.profile import connect
from pullyard.cli.terminal import Terminal

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def audit(
    context: typer.Context,
    *,
    target: Annotated[str | None, typer.Option(help="Only what was done to this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many entries.")] = 50,
) -> None:
    """Show who did what, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        entries = list(islice(client.audit(target=target), limit))
    rows = [(one.at, one.member_id or "", one.action, one.target or "", one.address) for one in entries]
    terminal.rows(("AT", "WHO", "WHAT", "TARGET", "FROM"), rows)
    terminal.finish(entries)
