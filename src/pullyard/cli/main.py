"""The program ``pullyard``: finds the command, and turns every error into one sentence and an exit code."""

import sys
from typing import Annotated

import typer

from pullyard import __version__
from pullyard.cli.exit_codes import of_error
from pullyard.cli.lazy import LazyGroup
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import PullyardError

app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _say_version(value: bool) -> None:  # noqa: FBT001
    # Typer calls this with the option's value by position.
    if value:
        typer.echo(f"pullyard {__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tasks go in, pull requests come out: a control plane for coding agents that is yours."""
    del version


def run() -> None:
    terminal = Terminal()
    try:
        app(prog_name="pullyard", obj=terminal)
    except PullyardError as error:
        sys.exit(report(terminal, error))


def report(terminal: Terminal, error: PullyardError) -> int:
    """Say the error for people and for programs; returns the exit code."""
    terminal.warn(error.message)
    terminal.finish({"error": {"code": error.code, "message": error.message, "details": error.details}})
    return of_error(error)
