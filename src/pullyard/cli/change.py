"""``pullyard change``: the work that came out, to look at and to merge."""

from typing import Annotated

import typer

from pullyard.cli.errand import await_errand
from pullyard.cli.follow import show_or_finish
from pullyard.cli.inputs import checked, read_text
from pullyard.cli.profile import connect
from pullyard.cli.references import find_change, find_project
from pullyard.cli.sanitise import few, one_line
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.change import ErrandKind
from pullyard.protocol.workflows import ReviewInput

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
ChangeReference = Annotated[str, typer.Argument(help="Its id, or its task: an id or PROJECT#NUMBER.")]


@app.command("list")
def list_changes(
    context: typer.Context,
    project: Annotated[str | None, typer.Argument(help="Its name or its id; default: all.")] = None,
    *,
    state: Annotated[str | None, typer.Option(help="open, merged or closed.")] = None,
) -> None:
    """Changes, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        project_id = find_project(client, project).id if project else None
        changes = list(client.changes(project_id=project_id, state=state))
    rows = [(one.id, one.state, f"{one.base_branch} <- {one.branch}", one.title) for one in changes]
    terminal.rows(("CHANGE", "STATE", "BRANCH", "TITLE"), rows)
    terminal.finish(changes)


@app.command("show")
def show(context: typer.Context, change: ChangeReference) -> None:
    """One change: its branch, its files and its receipt."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_change(client, change)
    hidden = {"body", "diffstat", "receipt", "errand", "conflicts", "update", "approval", "responses"}
    approved_by = found.approval.member_name if found.approval else None
    terminal.facts({**found.model_dump(mode="json", exclude=hidden), "approved_by": approved_by})
    if found.responses:
        rows = [(one.number, one.state, one.title) for one in found.responses]
        terminal.say()
        terminal.rows(("RESPONSE", "STATE", "TITLE"), rows)
    if found.conflicts:
        rows = [(one.change_id or one.branch, few(one.files, one.total)) for one in found.conflicts]
        terminal.say()
        terminal.rows(("CONFLICTS WITH", "IN"), rows)
    if found.update:
        rows = [
            (found.update.task_number, found.update.state, one.task_number, one.title)
            for one in found.update.because_of
        ]
        terminal.say()
        terminal.rows(("UPDATED BY TASK", "STATE", "AFTER THAT OF TASK", "TITLE"), rows)
    terminal.say()
    terminal.say_text(found.body)
    terminal.finish(found)


@app.command("diff")
def diff(context: typer.Context, change: ChangeReference) -> None:
    """What the change does, as a unified diff."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_change(client, change)
        text = client.diff(found.id)
    terminal.say_text(text)
    terminal.finish({"change": found, "diff": text})


@app.command("respond")
def respond(
    context: typer.Context,
    change: ChangeReference,
    text: Annotated[str, typer.Argument(help="What the review asks for; '-' reads stdin.")],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the log, and end with the task's result.")
    ] = False,
) -> None:
    """Let an agent go on with the change; its work is added to the change's branch."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        review = checked(ReviewInput, {"text": read_text(text)})
        task = client.respond(find_change(client, change).id, review)
        terminal.say(f"Added task {task.number} ({task.id}).")
        show_or_finish(terminal, client, task, wait=wait)


@app.command("approve")
def approve(context: typer.Context, change: ChangeReference) -> None:
    """Tell the others that you find the change good, as it is now."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        approved = client.approve(find_change(client, change))
    terminal.say(f"Approved {one_line(approved.branch)} as of {approved.commit[:12]}.")
    terminal.finish(approved)


@app.command("merge")
def merge(context: typer.Context, change: ChangeReference) -> None:
    """Merge the change into its base branch; a worker does it."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        merged = await_errand(client, find_change(client, change), ErrandKind.MERGE)
    terminal.say(
        f"Merged {one_line(merged.branch)} into {one_line(merged.base_branch)}: {merged.merged_commit}."
    )
    terminal.finish(merged)


@app.command("close")
def close(context: typer.Context, change: ChangeReference) -> None:
    """Close the change without merging it; its branch is removed."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        closed = await_errand(client, find_change(client, change), ErrandKind.CLOSE)
    terminal.say(f"Closed {one_line(closed.branch)}.")
    terminal.finish(closed)
