"""``pullyard key``: keys of model providers, sealed on this machine to the workers that may open them."""

import sys
from getpass import getpass
from typing import Annotated

import typer

from pullyard.cli.inputs import checked
from pullyard.cli.profile import connect
from pullyard.cli.references import Missing, find_project
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import RequestError
from pullyard.protocol.provider_keys import KeyScope, ProviderKeyInput
from pullyard.protocol.sealing import PREFIX, seal
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
LONGEST_KEY = 4096


@app.command("add")
def add(
    context: typer.Context,
    provider: Annotated[str, typer.Argument(help="anthropic, openai, gemini or an endpoint's name.")],
    *,
    project: Annotated[str | None, typer.Option(help="For all tasks of this project.")] = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="For all tasks of the tenant.")] = False,
    to: Annotated[
        list[str],
        typer.Option(help="A worker's sealing key. Repeatable; default: those the coordinator names."),
    ] = [],  # noqa: B006
) -> None:
    """Add or rotate a key; it is asked for, or read from stdin. Default: for the tasks that you ask for."""
    terminal: Terminal = context.obj
    if project and everybody:
        raise RequestError("Give --project or --everybody, not both.")
    with connect(terminal) as client:
        found = find_project(client, project) if project else None
        targets = to or sealing_keys(client)
        key = read_key()
        scope = KeyScope.PROJECT if found else KeyScope.TENANT if everybody else KeyScope.USER
        wish = {
            "provider": provider,
            "scope": scope,
            "project_id": found.id if found else None,
            "boxes": {public: seal(provider, key, public) for public in targets},
        }
        made = client.set_key(checked(ProviderKeyInput, wish))
    terminal.say(f"Added key {made.id}, sealed to:")
    for public in made.sealed_to:
        terminal.say(f"  {public}")
    terminal.finish(made)


def sealing_keys(client: Client) -> list[str]:
    """Of the workers that take keys of others. Raises Missing."""
    told = {one.facts.get("sealing_key") for one in client.workers() if one.revoked_at is None}
    keys = sorted(key for key in told if isinstance(key, str) and key.startswith(PREFIX))
    if not keys:
        raise Missing(
            "No worker takes sealed keys: set PULLYARD_WORKER_SEALED_KEYS=true where one is started."
        )
    return keys


def read_key() -> str:
    """Never from the command line, where other programs see it. Raises RequestError."""
    text = getpass("Key: ") if sys.stdin.isatty() else sys.stdin.read(LONGEST_KEY + 1)
    key = text.strip()
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        raise RequestError("Give the key on stdin, or type it when asked.")
    return key


@app.command("list")
def list_keys(context: typer.Context) -> None:
    """Keys, without what is in them."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        keys = list(client.keys())
        names = {one.id: one.name for one in client.projects()}
    rows = [
        (
            one.id,
            one.provider,
            names.get(one.project_id, one.project_id) if one.project_id else one.scope,
            len(one.sealed_to),
            one.updated_at,
        )
        for one in keys
    ]
    terminal.rows(("KEY", "PROVIDER", "FOR", "WORKERS", "SINCE"), rows)
    terminal.finish(keys)


@app.command("remove")
def remove(context: typer.Context, key: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Remove a key; what runs goes on with it."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        client.remove_key(key)
    terminal.say(f"Removed {key}.")
    terminal.finish({"removed": key})
