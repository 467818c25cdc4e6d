"""``pullyard salvage``: the unfinished work that executions left, as the coordinator was told of it.

Its files are on the worker: ``pullyard worker salvage``, on that machine, reads them.
"""

from typing import Annotated, Any

import typer

from pullyard.cli.execution import ExecutionReference, find_execution
from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.protocol.resources import Execution

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.command("list")
def list_salvage(
    context: typer.Context,
    *,
    project: Annotated[str | None, typer.Option(help="Its name or its id; default: all.")] = None,
) -> None:
    """Executions that left unfinished work, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        project_id = find_project(client, project).id if project else None
        executions = list(client.salvaged_executions(project_id=project_id))
        names = {one.id: one.name for one in client.workers()} if executions else {}
    heads = ("EXECUTION", "TASK", "WORKER", "ENDED", "REASON", "CHANGE", "STATE")
    terminal.rows(heads, [_row(one, names) for one in executions])
    terminal.finish(executions)


def _row(execution: Execution, names: dict[str, str]) -> tuple[object, ...]:
    told = execution.facts.get("salvage", {})
    size = "not told"
    if "files" in told:
        files = "1 file" if told["files"] == 1 else f"{told['files']} files"
        size = f"{files} +{told['additions']} -{told['deletions']}"
    where = names.get(execution.worker_id or "", execution.worker_id or "")
    ended = execution.finished_at.isoformat(timespec="seconds") if execution.finished_at else ""
    kept = "dropped" if told.get("dropped") else "on its worker"
    state = f"{kept}, pushed" if told.get("pushed") else kept
    return (execution.id, execution.task_id, where, ended, execution.reason or "", size, state)


@app.command("show")
def show(context: typer.Context, execution: ExecutionReference) -> None:
    """What it is: the files, and the diff where the project lets it leave its worker."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = client.salvage(find_execution(client, execution))
    where = one_line(found.worker_name or "that is gone")
    terminal.say(f"Kept as {one_line(found.reference)} on worker {where}.")
    for one in found.repositories:
        _say_repository(terminal, one)
    terminal.say(f"Go on from it: pullyard task retry {found.task_id} --resume")
    terminal.finish(found)


def _say_repository(terminal: Terminal, told: dict[str, Any]) -> None:
    name = told.get("repository") or "the project's repository"
    pushed = ", pushed" if told.get("pushed") else ""
    terminal.say(f"In {one_line(str(name))}, commit {one_line(str(told.get('commit', '')))}{pushed}:")
    for file in told.get("diffstat", {}).get("files", []):
        counts = (
            f"+{file['additions']} -{file['deletions']}" if file.get("additions") is not None else "binary"
        )
        terminal.say(f"  {file['status']:<12} {counts:<12} {one_line(str(file['path']))}")
    if "diff" not in told:
        terminal.say("  The diff stays on the worker: read it there with 'pullyard worker salvage show'.")
        return
    terminal.say()
    terminal.say_text(str(told["diff"]))
    if told.get("diff_truncated"):
        terminal.say("The diff was cut here: the worker has all of it.")
