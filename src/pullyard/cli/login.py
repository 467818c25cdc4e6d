"""``pullyard login``: remember where the coordinator is."""

import getpass
import sys
from typing import Annotated

import typer

from pullyard.cli.profile import Profile, login_profile_path, save_profile
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False)

TOKEN_CHARACTERS = 1000


@app.command()
def login(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Such as https://pullyard.example.org.")],
    *,
    token: Annotated[
        str | None,
        typer.Option(envvar="PULLYARD_TOKEN", help="Better left out: it is asked for, or read from stdin."),
    ] = None,
) -> None:
    """Check the token with the coordinator and remember both, readable by you alone."""
    terminal: Terminal = context.obj
    secret = token or ask_for_token()
    profile = Profile(url=url.rstrip("/"), token=secret.strip())
    with Client(profile.url, profile.token) as client:
        session = client.session()
    save_profile(login_profile_path(), profile)
    terminal.say(f"You are {one_line(session.member_name)} at {profile.url}.")
    terminal.finish({"url": profile.url, "session": session, "profile": str(login_profile_path())})


def ask_for_token() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Token: ")
    return sys.stdin.readline(TOKEN_CHARACTERS)
