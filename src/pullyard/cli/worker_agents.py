"""``pullyard worker agents``: the programs of agents on this machine, and their installation."""

from typing import Annotated

import typer

from pullyard.agents.claude_program import own_claude
from pullyard.agents.programs import programs
from pullyard.agents.protocol import AgentMissing
from pullyard.cli.crash import crash_where_asked
from pullyard.cli.places import WORKER_DIRECTORY, default_data_directory, make_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.files.locks import is_free
from pullyard.protocol.errors import RequestError
from pullyard.worker.programs.install import install, split_name
from pullyard.worker.programs.shelf import Shelf, shelf_in

app = typer.Typer(rich_markup_mode=None, add_completion=False)
CLAUDE = "claude-code"


def shelf(terminal: Terminal) -> Shelf:
    return shelf_in((terminal.data or default_data_directory()) / WORKER_DIRECTORY)


@app.callback(invoke_without_command=True)
def list_agents(context: typer.Context) -> None:
    """The agents with a program of their own: which are installed, and whose key they work with."""
    if context.invoked_subcommand is not None:
        return
    terminal: Terminal = context.obj
    here = shelf(terminal)
    known = sorted(programs().items())
    installed = {name: here.installed(name) for name, _ in known}
    versions = {name: found.version if found else None for name, found in installed.items()}
    rows = [
        (name, versions[name] or _own(name) or "-", program.version, " or ".join(program.providers))
        for name, program in known
    ]
    terminal.rows(("AGENT", "INSTALLED", "TRIED", "KEY OF"), rows)
    terminal.say()
    terminal.say("None of them needs a login: the worker adds the key, outside of the sandbox.")
    terminal.finish(
        [
            {
                "agent": name,
                "installed": versions[name],
                "versions": list(here.versions(name)),
                "tried": program.version,
                "own": _own(name),
                "registry": program.registry,
                "package": program.package,
                "providers": program.providers,
            }
            for name, program in known
        ]
    )


def _own(name: str) -> str | None:
    """What this machine has apart from Pullyard, and what is used before anything installed."""
    if name != CLAUDE:
        return None
    try:
        own = own_claude()
    except AgentMissing:
        return None
    return None if own is None else str(own)


@app.command("install")
def install_agents(
    context: typer.Context,
    agents: Annotated[list[str], typer.Argument(metavar="NAME[@VERSION]...", help="Which ones.")],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Also what is here already, such as after damage to the disk.")
    ] = False,
) -> None:
    """Install agents' programs from npm or PyPI; tasks get them from then on. Safe while the worker runs."""
    terminal: Terminal = context.obj
    crash_where_asked()
    for wanted in agents:
        split_name(wanted)
    data = make_data_directory(terminal.data or default_data_directory())
    here = shelf_in(make_data_directory(data / WORKER_DIRECTORY))
    try:
        done = [install(here, wanted, terminal.say, again=again) for wanted in agents]
    except OSError as error:
        raise RequestError(
            f"{error.filename or here.directory} can't be written ({error.strerror}): run this as the "
            "account that the worker runs as, with room on its disk."
        ) from error
    if not is_free(here.directory.parent / "lock"):
        terminal.say("Start the worker again, for tasks that wait for what it has now.")
    terminal.finish([{"agent": one.name, "version": one.version, "path": str(one.path)} for one in done])
