"""``pullyard schedule``: tasks that are made again and again."""

from typing import Annotated

import typer

from pullyard.cli.inputs import checked, read_text
from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.protocol.resources import TaskTemplate
from pullyard.protocol.schedules import ScheduleInput, SchedulePatch

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
ScheduleReference = Annotated[str, typer.Argument(help="Its id.")]


@app.command("add")
def add(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="Its name or its id.")],
    cron: Annotated[str, typer.Argument(help="Such as '0 6 * * MON-FRI'.")],
    title: Annotated[str, typer.Argument(help="What is wanted, in one line.")],
    *,
    name: Annotated[str | None, typer.Option(help="Default: the title.")] = None,
    zone: Annotated[str | None, typer.Option(help="Such as Europe/Berlin; default: UTC.")] = None,
    description: Annotated[str, typer.Option("--description", "-d", help="'-' reads stdin.")] = "",
    priority: Annotated[int | None, typer.Option(help="Higher runs earlier.")] = None,
    label: Annotated[list[str], typer.Option(help="What a worker must have. Repeatable.")] = [],  # noqa: B006
    queue: Annotated[
        bool, typer.Option("--queue", help="Make a task also while the last one has not ended.")
    ] = False,
) -> None:
    """Make a task of a project at every tick of a cron text."""
    terminal: Terminal = context.obj
    task = {
        "title": title,
        "description": read_text(description) or None,
        "priority": priority,
        "labels": label or None,
    }
    wish = {
        "name": name or title[:200],
        "cron": cron,
        "time_zone": zone,
        "task": checked(TaskTemplate, task),
        "overlap": "queue" if queue else None,
    }
    with connect(terminal) as client:
        made = client.add_schedule(find_project(client, project).id, checked(ScheduleInput, wish))
    terminal.say(f"Added schedule {one_line(made.name)} ({made.id}); its next tick is {made.next_at}.")
    terminal.finish(made)


@app.command("list")
def list_schedules(
    context: typer.Context, project: Annotated[str, typer.Argument(help="Its name or its id.")]
) -> None:
    """A project's schedules, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        schedules = list(client.schedules(find_project(client, project).id))
    rows = [
        (one.id, one.cron, one.time_zone, one.next_at or "off", one.last_outcome, one.name)
        for one in schedules
    ]
    terminal.rows(("SCHEDULE", "CRON", "ZONE", "NEXT", "LAST", "NAME"), rows)
    terminal.finish(schedules)


@app.command("show")
def show(context: typer.Context, schedule: ScheduleReference) -> None:
    """One schedule, its next tick, and what became of the last one."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = client.schedule(schedule)
    terminal.facts(found.model_dump(mode="json", exclude={"task"}))
    terminal.say()
    terminal.facts(found.task.model_dump(mode="json", exclude_unset=True))
    terminal.finish(found)


@app.command("on")
def switch_on(context: typer.Context, schedule: ScheduleReference) -> None:
    """Begin again, with the next tick from now."""
    _switch(context, schedule, enabled=True)


@app.command("off")
def switch_off(context: typer.Context, schedule: ScheduleReference) -> None:
    """Make no tasks until it is switched on."""
    _switch(context, schedule, enabled=False)


def _switch(context: typer.Context, schedule: str, *, enabled: bool) -> None:
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = client.schedule(schedule)
        edited = client.edit_schedule(found.id, SchedulePatch(enabled=enabled), version=found.version)
    terminal.say(f"Schedule {one_line(edited.name)}: next tick {edited.next_at or 'never'}.")
    terminal.finish(edited)


@app.command("run")
def run(context: typer.Context, schedule: ScheduleReference) -> None:
    """Make its task now, beside its ticks."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        task = client.run_schedule(schedule)
    terminal.say(f"Added task {task.number} ({task.id}).")
    terminal.finish(task)


@app.command("remove")
def remove(context: typer.Context, schedule: ScheduleReference) -> None:
    """Remove a schedule; its tasks stay."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        client.remove_schedule(schedule)
    terminal.say(f"Removed {schedule}.")
    terminal.finish({"removed": schedule})
