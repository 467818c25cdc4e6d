"""Commands whose modules are imported only when they are called for, so that the program starts fast."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from pullyard.cli.terminal import Terminal

COMMANDS = {
    "demo": ("pullyard.cli.demo", "Watch a task become a pull request, on this machine, in a minute."),
    "up": ("pullyard.cli.up", "Run everything on this machine: coordinator, database and one worker."),
    "server": ("pullyard.cli.server", "Run the coordinator alone."),
    "worker": ("pullyard.cli.worker", "Run a worker for a coordinator; show, drain and quarantine workers."),
    "doctor": ("pullyard.cli.doctor", "Measure what this machine can do, and say what is missing."),
    "login": ("pullyard.cli.login", "Remember a coordinator's address and your token."),
    "project": ("pullyard.cli.project", "Add and show projects."),
    "task": ("pullyard.cli.task", "Add, show, edit, cancel and retry tasks."),
    "sign": ("pullyard.cli.sign", "Sign tasks, for workers that do only what their owner has signed."),
    "automation": ("pullyard.cli.automation", "Work off a project's queue and its task list, unattended."),
    "execution": ("pullyard.cli.execution", "Show a task's steps, and answer what it asks."),
    "salvage": ("pullyard.cli.salvage", "Show the unfinished work that executions left."),
    "logs": ("pullyard.cli.logs", "Show or follow what a task's agent printed."),
    "receipt": ("pullyard.cli.receipt", "Check what workers have signed about their verifications."),
    "compare": ("pullyard.cli.compare", "Let several agents do one task, and choose."),
    "change": ("pullyard.cli.change", "Show, merge and close changes."),
    "budget": ("pullyard.cli.budget", "Bound what may be spent, in money and in tokens."),
    "costs": ("pullyard.cli.costs", "Show what was used: money, tokens and time."),
    "key": ("pullyard.cli.key", "Give model providers' keys to workers, sealed."),
    "schedule": ("pullyard.cli.schedule", "Make tasks by a cron text."),
    "event": ("pullyard.cli.event", "Hand in events, and say which become tasks."),
    "audit": ("pullyard.cli.audit", "Show who did what."),
    "token": ("pullyard.cli.token", "Make and revoke tokens for programs and workers."),
    "backup": ("pullyard.cli.backup", "Write the database into one file."),
    "restore": ("pullyard.cli.restore", "Fill an empty database from a backup."),
}


def _say_json(context: typer.Context, value: bool) -> bool:  # noqa: FBT001
    # Typer calls this with the option's value by position.
    terminal: Terminal = context.obj
    terminal.as_json = terminal.as_json or value
    return value


def _keep_data(context: typer.Context, value: Path | None) -> Path | None:
    terminal: Terminal = context.obj
    terminal.data = value or terminal.data
    return value


_shared = typer.Typer(rich_markup_mode=None, add_completion=False)


@_shared.command()
def shared_options(
    *,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="End stdout with one JSON document.",
            callback=_say_json,
            expose_value=False,
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            envvar="PULLYARD_DATA",
            help="The data directory of the system on this machine.",
            callback=_keep_data,
            expose_value=False,
        ),
    ] = None,
) -> None:
    """Carries the options that every command has."""
    del as_json, data


def with_shared_options(command: Any) -> Any:
    """The same command, or group of commands, with ``--json`` and ``--data`` on every leaf."""
    leaves = [command]
    if isinstance(command, TyperGroup):
        groups = [inner for inner in command.commands.values() if isinstance(inner, TyperGroup)]
        leaves = [inner for inner in command.commands.values() if inner not in groups]
        for group in groups:
            with_shared_options(group)
    if isinstance(command, TyperGroup) and command.invoke_without_command:
        leaves.append(command)
    for leaf in leaves:
        leaf.params += get_command(_shared).params
        for parameter in leaf.params:
            # Typer would show the Python type, such as <list[str]>.
            if parameter.metavar is None and not getattr(parameter, "is_flag", False):
                parameter.metavar = parameter.name.upper()
    return command


class LazyGroup(TyperGroup):
    """Lists its commands without importing any of them."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, help_line = COMMANDS[cmd_name]
        command = get_command(import_module(module).app)
        command.name = cmd_name
        command.help = command.help or help_line
        return with_shared_options(command)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])
