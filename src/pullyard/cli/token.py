"""``pullyard token``: keys of programs, and invitations for workers."""

from typing import Annotated

import typer

from pullyard.cli.inputs import checked
from pullyard.cli.profile import connect
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import TokenInput

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
SECONDS_A_DAY = 86_400


@app.command("create")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    worker: Annotated[bool, typer.Option("--worker", help="An enrolment token, for one new worker.")] = False,
    events: Annotated[bool, typer.Option("--events", help="One that may hand in events only.")] = False,
    days: Annotated[
        float | None, typer.Option(help="How long it is good; default: API tokens do not end.")
    ] = None,
) -> None:
    """Make a token. It is shown this once."""
    terminal: Terminal = context.obj
    seconds = None if days is None else int(days * SECONDS_A_DAY)
    if worker and events:
        raise RequestError("A token is for a worker or for events: leave one of them out.")
    kind = "enrolment" if worker else "events" if events else "api"
    with connect(terminal) as client:
        token = client.add_token(checked(TokenInput, {"name": name, "kind": kind, "seconds": seconds}))
    terminal.say(token.secret or "")
    terminal.warn(f"Keep it now: it is not shown again ({token.id}).")
    terminal.finish(token)


@app.command("list")
def list_tokens(context: typer.Context) -> None:
    """All tokens, without their secrets."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        tokens = list(client.tokens())
    rows = [
        (one.id, one.kind, one.expires_at or "never", one.last_used_at or "never", one.name) for one in tokens
    ]
    terminal.rows(("TOKEN", "KIND", "EXPIRES", "LAST USED", "NAME"), rows)
    terminal.finish(tokens)


@app.command("revoke")
def revoke(context: typer.Context, token: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """End a token at once."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        client.revoke_token(token)
    terminal.say(f"Revoked {token}.")
    terminal.finish({"revoked": token})
