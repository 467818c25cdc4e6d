"""``pullyard automation``: what a project does by itself, from its queue and its task list."""

from pathlib import Path
from typing import Annotated

import typer

from pullyard.cli.exit_codes import ExitCode
from pullyard.cli.inputs import STDIN, checked, read_text
from pullyard.cli.profile import connect
from pullyard.cli.progress import await_list, follow_automation, say_automation, say_warnings
from pullyard.cli.queue_place import read_place
from pullyard.cli.references import find_project
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.automation import AutomationState
from pullyard.lifecycle.task_lists.model import MAX_BYTES
from pullyard.lifecycle.task_lists.parse import readable
from pullyard.protocol.automation import Automation, AutomationStart, Injection
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import ProjectPatch, TaskInput
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
ProjectReference = Annotated[str, typer.Argument(help="Its name or its id.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show progress until nothing is left to do, or it halts.")]


@app.command("start")
def start(
    context: typer.Context,
    project: ProjectReference,
    *,
    path: Annotated[
        str | None, typer.Option("--list", help="The task list in the repository; default: task_lists.md.")
    ] = None,
    no_list: Annotated[bool, typer.Option("--no-list", help="Follow no task list.")] = False,
    on_error: Annotated[
        str | None, typer.Option(help="stop, skip or resolve; kept with the project.")
    ] = None,
    wait: Wait = False,
) -> None:
    """Work off the project's queue, and follow its task list."""
    terminal: Terminal = context.obj
    if path and no_list:
        raise RequestError("--list and --no-list exclude each other: leave one of them out.")
    wish = checked(AutomationStart, {"task_list": path})
    with connect(terminal) as client:
        found = find_project(client, project)
        if on_error is not None:
            policy = {**found.automation_policy.model_dump(), "on_error": on_error}
            patch = checked(ProjectPatch, {"automation_policy": policy})
            client.edit_project(found.id, patch, version=found.version)
        if no_list:
            wish = AutomationStart(task_list=None)
        finish(terminal, client, client.start_automation(found.id, wish), wait=wait)


@app.command("pause")
def pause(context: typer.Context, project: ProjectReference) -> None:
    """Let what runs go on to its end, and begin nothing new."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        finish(terminal, client, client.pause_automation(find_project(client, project).id))


@app.command("resume")
def resume(context: typer.Context, project: ProjectReference, *, wait: Wait = False) -> None:
    """Go on after a pause, or after an error halted it."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        finish(terminal, client, client.resume_automation(find_project(client, project).id), wait=wait)


@app.command("stop")
def stop(context: typer.Context, project: ProjectReference) -> None:
    """End what runs, with its work saved; those tasks go on at the next start."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        finish(terminal, client, client.stop_automation(find_project(client, project).id))


@app.command("status")
def status(context: typer.Context, project: ProjectReference, *, wait: Wait = False) -> None:
    """Progress, what runs, what comes next, what stopped it, and the task list's warnings."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        finish(terminal, client, client.automation(find_project(client, project).id), wait=wait)


@app.command("sync")
def sync(context: typer.Context, project: ProjectReference) -> None:
    """Have a worker read the task list now, and wait until it did."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        automation = await_list(client, client.sync_task_list(find_project(client, project).id))
    assert automation.task_list is not None, "a project without a list refuses a sync"
    say_warnings(terminal, automation.task_list)
    say_automation(terminal, automation)
    terminal.finish(automation)


@app.command("inject")
def inject(
    # A command's options are its parameters.
    context: typer.Context,
    project: ProjectReference,
    titles: Annotated[list[str] | None, typer.Argument(help="What is wanted, one task each.")] = None,
    *,
    file: Annotated[
        str | None, typer.Option("--file", "-f", help="Tasks in the form of a task list; '-' reads stdin.")
    ] = None,
    front: Annotated[bool, typer.Option("--front", help="Before all others.")] = False,
    before: Annotated[str | None, typer.Option(help="Before this task.")] = None,
    after: Annotated[str | None, typer.Option(help="Behind this task.")] = None,
) -> None:
    """Put tasks into the queue, at its end unless told otherwise."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_project(client, project)
        place = read_place(client, front=front, before=before, after=after)
        tasks = [checked(TaskInput, {"title": title}) for title in titles or []]
        text = read_list(file) if file is not None else None
        wish = checked(Injection, {**place, "tasks": tasks or None, "text": text})
        injected = client.inject_tasks(found.id, wish)
    for warning in injected.warnings:
        terminal.warn(f"Line {warning.line}: {warning.message}")
    for task in injected.tasks:
        terminal.say(f"Added task {one_line(found.name)}#{task.number}: {one_line(task.title)}.")
    terminal.finish(injected)


def read_list(name: str) -> str:
    if name == STDIN:
        return read_text(name)
    try:
        with Path(name).open("rb") as file:
            return readable(file.read(MAX_BYTES))
    except OSError as error:
        raise RequestError(f"{name} can't be read: {error.strerror}.", code="unreadable") from error


def finish(terminal: Terminal, client: Client, automation: Automation, *, wait: bool = False) -> None:
    if wait:
        automation = follow_automation(terminal, client, automation)
    say_automation(terminal, automation)
    terminal.finish(automation)
    if wait and automation.state is AutomationState.HALTED:
        raise typer.Exit(ExitCode.FAILED)
