"""``pullyard event``: what happens elsewhere, and which of it becomes tasks."""

import json
from typing import Annotated, Any

import typer

from pullyard.cli.inputs import checked, read_text
from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.protocol.errors import RequestError
from pullyard.protocol.intake import Condition, EventRuleInput, EventTask, PlainEvent

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
ProjectReference = Annotated[str, typer.Argument(help="Its name or its id.")]


@app.command("send")
def send(
    context: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="TYPE", help="Such as build.failed.")],
    *,
    source: Annotated[str | None, typer.Option(help="Where it happened; default: /.")] = None,
    identity: Annotated[
        str | None, typer.Option("--id", help="Sent again with the same source, it makes no second task.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    data: Annotated[str, typer.Option("--data", "-d", help="JSON; '-' reads stdin.")] = "",
) -> None:
    """Hand in an event."""
    terminal: Terminal = context.obj
    wish = {"type": kind, "source": source, "id": identity, "subject": subject, "data": _read_json(data)}
    with connect(terminal) as client:
        reception = client.send_event(checked(PlainEvent, wish))
    for event in reception.events:
        for outcome in event.outcomes:
            became = outcome.task_id or f"no task: {outcome.why}"
            terminal.say(f"Rule {one_line(outcome.rule)}: {one_line(became)}")
        if not event.outcomes:
            terminal.say("No rule is for this type and source.")
    terminal.finish(reception)


def _read_json(given: str) -> Any:
    text = read_text(given)
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise RequestError(f"The data is no JSON: {error}.") from error


@app.command("list")
def list_events(
    context: typer.Context,
    *,
    unmatched: Annotated[bool, typer.Option("--unmatched", help="Only those that made no task.")] = False,
) -> None:
    """Events that came in, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        events = list(client.received_events(matched=False if unmatched else None))
    rows = [
        (
            one.received_at,
            one.type,
            one.source,
            " ".join(filter(None, (each.task_id for each in one.outcomes))),
        )
        for one in events
    ]
    terminal.rows(("RECEIVED", "TYPE", "SOURCE", "TASKS"), rows)
    terminal.finish(events)


@app.command("add-rule")
def add_rule(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    project: ProjectReference,
    title: Annotated[str, typer.Argument(help="Of the task, such as 'Mend {data.branch}'.")],
    *,
    name: Annotated[str | None, typer.Option(help="Default: the title.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="A pattern; '*' is any text.")] = None,
    source: Annotated[str | None, typer.Option(help="A pattern; '*' is any text.")] = None,
    where: Annotated[
        list[str], typer.Option("--if", metavar="PATH=VALUE", help="Such as data.action=opened. Repeatable.")
    ] = [],  # noqa: B006
    description: Annotated[str, typer.Option("--description", "-d", help="'-' reads stdin.")] = "",
    label: Annotated[list[str], typer.Option(help="What a worker must have. Repeatable.")] = [],  # noqa: B006
    priority: Annotated[str | None, typer.Option(help="A number, or the place of one.")] = None,
) -> None:
    """Let events become tasks of a project."""
    terminal: Terminal = context.obj
    task = {
        "title": title,
        "description": read_text(description) or None,
        "labels": label or None,
        "priority": priority,
    }
    wish = {
        "name": name or title[:200],
        "type_pattern": kind,
        "source_pattern": source,
        "conditions": [_read_condition(one) for one in where] or None,
        "task": checked(EventTask, task),
    }
    with connect(terminal) as client:
        rule = client.add_event_rule(find_project(client, project).id, checked(EventRuleInput, wish))
    terminal.say(f"Added rule {one_line(rule.name)} ({rule.id}).")
    terminal.finish(rule)


def _read_condition(text: str) -> Condition:
    """``path=value``; a value that reads as JSON is that, any other is text."""
    path, mark, value = text.partition("=")
    if not mark:
        raise RequestError(f"{text!r} is no condition: write PATH=VALUE.")
    try:
        return checked(Condition, {"path": path, "value": json.loads(value)})
    except ValueError:
        return checked(Condition, {"path": path, "value": value})


@app.command("rules")
def list_rules(context: typer.Context, project: ProjectReference) -> None:
    """A project's rules, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        rules = list(client.event_rules(find_project(client, project).id))
    rows = [(one.id, one.type_pattern, one.source_pattern, one.task.title, one.name) for one in rules]
    terminal.rows(("RULE", "TYPE", "SOURCE", "TITLE", "NAME"), rows)
    terminal.finish(rules)


@app.command("remove-rule")
def remove_rule(context: typer.Context, rule: Annotated[str, typer.Argument(help="Its id.")]) -> None:
    """Remove a rule; its tasks stay."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        client.remove_event_rule(rule)
    terminal.say(f"Removed {rule}.")
    terminal.finish({"removed": rule})
