"""``pullyard logs``: what was printed while a task was worked on."""

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from pullyard.cli.follow import follow
from pullyard.cli.log_parts import show_lines, show_matches, write_lines
from pullyard.cli.profile import connect
from pullyard.cli.references import Missing, find_task
from pullyard.cli.terminal import Terminal
from pullyard.cli.watch import Printed, Step, Watch
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.task import FINAL_TASK_STATES
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import Task
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def logs(  # noqa: PLR0913
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Its id, or PROJECT#NUMBER.")],
    *,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task ends.")] = False,
    stream: Annotated[
        str | None,
        typer.Option(help="prepare, implement, verify, publish or conversation; default: the phases."),
    ] = None,
    lines: Annotated[str | None, typer.Option(help="Of one stream: 120-140, 120- or 120.")] = None,
    search: Annotated[str | None, typer.Option(help="Lines that hold this text, with their numbers.")] = None,
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="With --search.")] = False,
    context_lines: Annotated[
        int, typer.Option("--context", "-C", min=0, max=5, help="With --search: lines around each.")
    ] = 0,
    raw: Annotated[bool, typer.Option("--raw", help="Bytes as they were printed, of one stream.")] = False,
) -> None:
    """Show the log of a task's newest execution. Escape sequences but colours are taken out."""
    terminal: Terminal = context.obj
    check_options(terminal, follow_on=follow_on, lines=lines, search=search, raw=raw)
    one_stream = stream or (Phase.IMPLEMENT.value if raw or lines else None)
    streams = (one_stream,) if one_stream else tuple(phase.value for phase in Phase)
    with connect(terminal) as client:
        found = find_task(client, task)
        if lines is not None or search is not None:
            wish = {"words": search, "ignore_case": ignore_case, "context": context_lines}
            show_part(terminal, client, found, streams, raw=raw, lines=lines, search=wish)
        elif raw:
            write_raw(steps_of(client, found, streams, follow_on=follow_on))
        else:
            follow(terminal, steps_of(client, found, streams, follow_on=follow_on))
            show_end(terminal, client, client.task(found.id), streams)


def steps_of(client: Client, task: Task, streams: tuple[str, ...], *, follow_on: bool) -> Iterator[Step]:
    if follow_on or task.state in FINAL_TASK_STATES:
        return Watch(client, task, streams).steps()
    return so_far(client, task, streams)


def show_end(terminal: Terminal, client: Client, task: Task, streams: tuple[str, ...]) -> None:
    """What is to be said after a log, such as that some of it is gone."""
    sizes = list(client.log_streams(task.execution_id)) if task.execution_id else []
    for one in sizes:
        if one.stream in streams and one.expired_at is not None:
            terminal.warn(f"The log of {one.stream} was removed on {one.expired_at:%Y-%m-%d}, as it was old.")
    terminal.finish({"task": task, "streams": sizes})


def check_options(
    terminal: Terminal, *, follow_on: bool, lines: str | None, search: str | None, raw: bool
) -> None:
    """Raises RequestError for options that say two things at once."""
    if raw and terminal.as_json:
        raise RequestError("--raw and --json can't both have stdout: leave one of them out.")
    if lines is not None and search is not None:
        raise RequestError("--lines and --search are two looks: take one after the other.")
    if follow_on and (lines is not None or search is not None):
        raise RequestError("--follow shows what comes: leave it out to look at --lines or to --search.")
    if raw and search is not None:
        raise RequestError("--search shows numbers beside its lines: leave --raw out.")


def show_part(
    terminal: Terminal,
    client: Client,
    task: Task,
    streams: tuple[str, ...],
    *,
    raw: bool,
    lines: str | None,
    search: dict[str, Any],
) -> None:
    execution_id = newest_execution(task)
    if lines is None:
        terminal.finish({"matches": show_matches(terminal, client, execution_id, streams, search)})
    elif raw:
        write_lines(client, execution_id, streams[0], lines)
    else:
        terminal.finish({"lines": show_lines(terminal, client, execution_id, streams[0], lines)})


def newest_execution(task: Task) -> str:
    if task.execution_id is None:
        raise Missing(f"Task {task.number} has no log yet: it is {task.state}.")
    return task.execution_id


def so_far(client: Client, task: Task, streams: tuple[str, ...]) -> Iterator[Step]:
    execution_id = newest_execution(task)
    for name in streams:
        for data in client.log(execution_id, name):
            yield Printed(execution_id, name, data)


def write_raw(steps: Iterator[Step]) -> None:
    for step in steps:
        if isinstance(step, Printed):
            sys.stdout.buffer.write(step.data)
            sys.stdout.buffer.flush()
