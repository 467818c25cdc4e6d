"""``pullyard logs``: what was printed while a task was worked on."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from pullyard.cli.follow import follow
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
def logs(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Its id, or PROJECT#NUMBER.")],
    *,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task ends.")] = False,
    stream: Annotated[
        str | None,
        typer.Option(help="prepare, implement, verify, publish or conversation; default: the phases."),
    ] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Bytes as they were printed, of one stream.")] = False,
) -> None:
    """Show the log of a task's newest execution. Escape sequences but colours are taken out."""
    terminal: Terminal = context.obj
    if raw and terminal.as_json:
        raise RequestError("--raw and --json can't both have stdout: leave one of them out.")
    streams = (stream or (Phase.IMPLEMENT if raw else None),)
    wanted = tuple(Phase) if streams == (None,) else tuple(str(name) for name in streams)
    with connect(terminal) as client:
        found = find_task(client, task)
        if follow_on or found.state in FINAL_TASK_STATES:
            steps = Watch(client, found, wanted).steps()
        else:
            steps = so_far(client, found, wanted)
        if raw:
            write_raw(steps)
            return
        follow(terminal, steps)
        ended = client.task(found.id)
        executed = ended.execution_id
        sizes = list(client.log_streams(executed)) if executed else []
    terminal.finish({"task": ended, "streams": sizes})


def so_far(client: Client, task: Task, streams: tuple[str, ...]) -> Iterator[Step]:
    if task.execution_id is None:
        raise Missing(f"Task {task.number} has no log yet: it is {task.state}.")
    for name in streams:
        for data in client.log(task.execution_id, name):
            yield Printed(task.execution_id, name, data)


def write_raw(steps: Iterator[Step]) -> None:
    for step in steps:
        if isinstance(step, Printed):
            sys.stdout.buffer.write(step.data)
            sys.stdout.buffer.flush()
