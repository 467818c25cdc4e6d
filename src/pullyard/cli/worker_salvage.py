"""``pullyard worker salvage``: the unfinished work on this machine, read from the worker's own directory."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from pullyard.cli.places import WORKER_DIRECTORY, default_data_directory
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.coordinator.logbook import configure_logs
from pullyard.git.errors import GitFailed
from pullyard.git.program import Git
from pullyard.protocol.errors import RequestError
from pullyard.worker.dropped import note_dropped
from pullyard.worker.saved_here import Kept, age, bytes_of, drop, export, find_kept, kept_of, read_kept

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
Execution = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="Its id; see 'pullyard worker salvage list'.")
]


def worker_data(terminal: Terminal) -> Path:
    """Raises RequestError where no worker was ever started."""
    place = (terminal.data or default_data_directory()) / WORKER_DIRECTORY
    if not place.is_dir():
        raise RequestError(f"There is no worker's directory at {place}: name the data directory with --data.")
    # What can't be read is in what the commands say; as a log it would be in their documents' way.
    configure_logs("error", as_json=False)
    return place


@app.command("list")
def list_kept(context: typer.Context) -> None:
    """All unfinished work on this machine, the oldest first."""
    terminal: Terminal = context.obj
    found = find_kept(worker_data(terminal))
    rows = [
        (
            one.work.execution_id,
            one.state,
            age(one),
            one.work.project_name,
            f"#{one.work.task_number} {one.work.title}" if one.work.task_number else "",
            one.work.repository,
        )
        for one in found
    ]
    terminal.rows(("EXECUTION", "STATE", "SAVED", "PROJECT", "TASK", "REPOSITORY"), rows)
    terminal.finish([document(one) for one in found])


def document(kept: Kept) -> dict[str, object]:
    facts = msgspec.to_builtins(kept.work)
    return {**facts, "state": kept.state, "place": str(kept.place), "size_bytes": bytes_of(kept)}


@app.command("show")
def show(context: typer.Context, execution: Execution) -> None:
    """What it changes, file by file and as a diff."""
    terminal: Terminal = context.obj
    shown: list[dict[str, object]] = []
    for one in kept_of(worker_data(terminal), execution):
        try:
            diffstat, diff, cut = asyncio.run(read_kept(Git(), one))
        except GitFailed as error:
            raise _unreadable(one, error) from error
        terminal.say(f"In {one_line(one.work.repository)}, commit {one.work.commit}:")
        for file in diffstat.files:
            counts = "binary" if file.additions is None else f"+{file.additions} -{file.deletions}"
            terminal.say(f"  {file.status:<12} {counts:<12} {one_line(file.path)}")
        terminal.say()
        terminal.say_text(diff)
        if cut:
            terminal.say("The diff was cut here: export it to have all of it.")
        shown.append({**document(one), "diffstat": msgspec.to_builtins(diffstat), "diff": diff})
    terminal.finish(shown)


@app.command("export")
def export_kept(
    context: typer.Context,
    execution: Execution,
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the patches go.")],
) -> None:
    """Write it as patches that 'git am' takes, one for each repository."""
    terminal: Terminal = context.obj
    found = kept_of(worker_data(terminal), execution)
    directory.mkdir(parents=True, exist_ok=True)
    written: list[str] = []
    for number, one in enumerate(found, start=1):
        target = directory / f"{execution}-{number}.patch"
        try:
            asyncio.run(export(Git(), one, target))
        except FileExistsError as error:
            raise RequestError(f"{target} is there already: remove it, or name another directory.") from error
        except GitFailed as error:
            raise _unreadable(one, error) from error
        terminal.say(f"Wrote {target}.")
        written.append(str(target))
    terminal.finish({"written": written})


def _unreadable(kept: Kept, error: GitFailed) -> RequestError:
    return RequestError(f"The work in {kept.place} can't be read, the mirror is damaged: {error}")


@app.command("drop")
def drop_kept(
    context: typer.Context,
    execution: Execution,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, delete it.")] = False,
) -> None:
    """Delete it from this machine for good; what was pushed to the repository stays there."""
    terminal: Terminal = context.obj
    data = worker_data(terminal)
    found = kept_of(data, execution)
    if not yes:
        raise RequestError(f"This deletes the work of {execution} from this machine: say so with --yes.")
    for one in found:
        asyncio.run(drop(Git(), one))
        terminal.say(f"Dropped the work of {execution} in {one.place}.")
    told = [note_dropped(data, one.work) for one in found]
    if any(told):
        terminal.say("The coordinator hears of it from the worker: now, or when the worker starts.")
    terminal.finish({"dropped": execution})
