"""``pullyard task``: what is wanted, and what became of it."""

from typing import Annotated, Any

import typer

from pullyard.cli.execution import NETWORK_HEADS, read_network
from pullyard.cli.follow import finish_task, follow
from pullyard.cli.inputs import checked, money, read_agent, read_text, read_time, split_commands
from pullyard.cli.profile import connect
from pullyard.cli.queue_place import read_place
from pullyard.cli.references import find_project, find_task
from pullyard.cli.sanitise import few, one_line
from pullyard.cli.sign import HOURS, Hours, KeyFile
from pullyard.cli.sign_review import sign_new_task
from pullyard.cli.signed_work import default_key, describe_signature
from pullyard.cli.task_options import (
    Accept,
    After,
    Base,
    Description,
    File,
    Labels,
    Priority,
    ProjectArgument,
    Title,
    Verify,
)
from pullyard.cli.terminal import Terminal
from pullyard.cli.watch import Watch
from pullyard.lifecycle.money import dollars
from pullyard.lifecycle.task import FINAL_TASK_STATES
from pullyard.protocol.automation import TaskMove
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import (
    AgentSettings,
    Intervention,
    Project,
    Task,
    TaskInput,
    TaskPatch,
    TaskRetry,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
TaskReference = Annotated[str, typer.Argument(help="Its id, or PROJECT#NUMBER.")]
Wait = Annotated[bool, typer.Option("--wait", help="Show the log, and end with the task's result.")]


@app.command("add")
def add(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    project: ProjectArgument,
    title: Title,
    *,
    description: Description = "",
    accept: Accept = [],  # noqa: B006
    file: File = [],  # noqa: B006
    verify: Verify = [],  # noqa: B006
    priority: Priority = None,
    label: Labels = [],  # noqa: B006
    after: After = [],  # noqa: B006
    start_at: Annotated[
        str | None, typer.Option(help="Not before, such as 2026-05-01T06:00; in this machine's time zone.")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Keep it back until 'pullyard task ready'.")] = False,
    dollars_limit: Annotated[
        str | None, typer.Option("--dollars", help="The most that all its tries may cost, such as 2.50.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="The most that all its tries may use.")] = None,
    base: Base = None,
    agent: Annotated[str | None, typer.Option(help="Such as pullyard, claude-code or command.")] = None,
    agent_option: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="Repeatable.")] = [],  # noqa: B006
    command: Annotated[str | None, typer.Option(help="The shell line of the agent 'command'.")] = None,
    sign: Annotated[bool, typer.Option("--sign", help="Sign it, for workers that demand that.")] = False,
    key: KeyFile = None,
    hours: Hours = HOURS,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, sign it with the settings shown.")] = False,
    wait: Wait = False,
) -> None:
    """Put a task into a project's queue."""
    terminal: Terminal = context.obj
    wish: dict[str, Any] = {
        "title": title,
        "description": read_text(description) or None,
        "acceptance_criteria": accept or None,
        "target_files": file or None,
        "verify_commands": split_commands(verify),
        "priority": priority,
        "labels": label or None,
        "budget_micros": money(dollars_limit),
        "budget_tokens": tokens,
        "base_branch": base,
        "start_at": read_time(start_at),
        "draft": draft or None,
        "agent": read_agent(agent, agent_option, command),
    }
    with connect(terminal) as client:
        home = find_project(client, project)
        check_agent(home, wish["agent"])
        wish["depends_on"] = [find_task(client, reference).id for reference in after] or None
        made = checked(TaskInput, wish)
        if sign:
            made = sign_new_task(
                terminal, home, made, reference=project, key=key or default_key(), hours=hours, yes=yes
            )
        task = client.add_task(home.id, made)
        terminal.say(f"Added task {one_line(home.name)}#{task.number} ({task.id}).")
        if not wait:
            say_why_it_waits(terminal, task)
            terminal.finish(task)
            return
        last = follow(terminal, Watch(client, task).steps())
        assert last is not None, "a watch ends with a move"
        raise typer.Exit(finish_task(terminal, client, last.task, last.execution))


def check_agent(home: Project, own: AgentSettings | None) -> None:
    """Raises RequestError where neither the task nor its project says which agent does it."""
    if own is None and home.agent.name == "command" and not home.agent.settings:
        raise RequestError(
            f"The project {one_line(home.name)} has no agent of its own, so name the task's: "
            "--agent claude-code, or --command 'PROGRAM {prompt_file}'.",
            code="agent-missing",
        )


@app.command("list")
def list_tasks(
    context: typer.Context,
    project: Annotated[str | None, typer.Argument(help="Its name or its id; default: all.")] = None,
    *,
    state: Annotated[str | None, typer.Option(help="Such as queued, running or failed.")] = None,
) -> None:
    """Tasks, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        names = {one.id: one.name for one in client.projects()}
        project_id = find_project(client, project).id if project else None
        tasks = list(client.tasks(project_id=project_id, state=state))
    rows = [(f"{names.get(task.project_id, '?')}#{task.number}", task.state, task.title) for task in tasks]
    terminal.rows(("TASK", "STATE", "TITLE"), rows)
    terminal.finish(tasks)


@app.command("show")
def show(context: typer.Context, task: TaskReference) -> None:
    """One task and its executions, and what the newest one reached over the network."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_task(client, task)
        executions = list(client.executions(found.id))
    shown = found.model_dump(mode="json", exclude={"overlaps"})
    if found.signature is not None:
        shown["signature"] = describe_signature(found.signature)
    terminal.facts(shown)
    say_why_it_waits(terminal, found)
    show_overlaps(terminal, found)
    if executions:
        terminal.say()
        rows = [
            (one.id, one.state, one.reason or "", dollars(one.cost_micros), one.message) for one in executions
        ]
        terminal.rows(("EXECUTION", "STATE", "REASON", "COST", "MESSAGE"), rows)
    newest = next((one for one in executions if one.id == found.execution_id), None)
    if newest is not None and (reached := read_network(newest.facts.get("network"))):
        terminal.say()
        terminal.rows(NETWORK_HEADS, reached)
    terminal.finish({"task": found, "executions": executions})


@app.command("edit")
def edit(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    task: TaskReference,
    *,
    title: Annotated[str | None, typer.Option(help="What is wanted, in one line.")] = None,
    description: Annotated[str | None, typer.Option("--description", "-d", help="'-' reads stdin.")] = None,
    priority: Annotated[int | None, typer.Option(help="Higher runs earlier.")] = None,
    label: Annotated[list[str], typer.Option(help="Instead of those it has. Repeatable.")] = [],  # noqa: B006
    after: Annotated[
        list[str], typer.Option("--after", "--depends-on", help="Instead of those it has. Repeatable.")
    ] = [],  # noqa: B006
    start_at: Annotated[str | None, typer.Option(help="Not before; 'now' takes it away.")] = None,
) -> None:
    """Change a task that nobody has taken yet."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_task(client, task)
        wish: dict[str, Any] = {
            "title": title,
            "description": None if description is None else read_text(description),
            "priority": priority,
            "labels": label or None,
            "depends_on": [find_task(client, one).id for one in after] or None,
            "start_at": None if start_at == "now" else read_time(start_at),
        }
        patch = checked(TaskPatch, wish)
        if start_at == "now":
            patch = patch.model_copy(update={"start_at": None})
        edited = client.edit_task(found.id, patch, version=found.version)
    terminal.say(f"Task {edited.number} is {edited.state}.")
    terminal.finish(edited)


@app.command("ready")
def ready(context: typer.Context, task: TaskReference) -> None:
    """Put a draft into the queue."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        done = client.ready_task(find_task(client, task).id)
    terminal.say(f"Task {done.number} is {done.state}.")
    say_why_it_waits(terminal, done)
    terminal.finish(done)


@app.command("requeue")
def requeue(
    context: typer.Context,
    task: TaskReference,
    *,
    reason: Annotated[str | None, typer.Option(help="Why; it is kept in the audit log.")] = None,
) -> None:
    """Take a running task from its worker and queue it again, or queue one that waits for an overlap."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        again = client.requeue_task(find_task(client, task).id, checked(Intervention, {"reason": reason}))
    terminal.say(f"Task {again.number} is {again.state}.")
    terminal.finish(again)


@app.command("remove")
def remove(context: typer.Context, task: TaskReference) -> None:
    """Remove a task that never ran."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_task(client, task)
        client.remove_task(found.id)
    terminal.say(f"Removed task {found.number}.")
    terminal.finish({"removed": found.id})


@app.command("cancel")
def cancel(context: typer.Context, task: TaskReference) -> None:
    """Stop a task; unfinished work is kept aside."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        cancelled = client.cancel_task(find_task(client, task).id)
    until = "" if cancelled.state in FINAL_TASK_STATES else " until its worker has saved the work"
    terminal.say(f"Task {cancelled.number} is {cancelled.state}{until}.")
    terminal.finish(cancelled)


@app.command("move")
def move(
    context: typer.Context,
    task: TaskReference,
    *,
    front: Annotated[bool, typer.Option("--front", help="Before all others.")] = False,
    end: Annotated[bool, typer.Option("--end", help="Behind all others.")] = False,
    before: Annotated[str | None, typer.Option(help="Before this task.")] = None,
    after: Annotated[str | None, typer.Option(help="Behind this task.")] = None,
) -> None:
    """Put a task that waits at another place of its project's queue."""
    terminal: Terminal = context.obj
    if not (front or end or before or after):
        raise RequestError("Name a place: --front, --end, --before TASK or --after TASK.")
    with connect(terminal) as client:
        place = read_place(client, front=front, end=end, before=before, after=after)
        moved = client.move_task(find_task(client, task).id, checked(TaskMove, place))
    terminal.say(f"Task {moved.number} is moved.")
    terminal.finish(moved)


@app.command("retry")
def retry(
    context: typer.Context,
    task: TaskReference,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the work that was kept aside.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Try a failed or cancelled task again."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        again = client.retry_task(find_task(client, task).id, TaskRetry(resume=resume))
        terminal.say(f"Task {again.number} is {again.state}.")
        if not wait:
            terminal.finish(again)
            return
        last = follow(terminal, Watch(client, again).steps())
        assert last is not None, "a watch ends with a move"
        raise typer.Exit(finish_task(terminal, client, last.task, last.execution))


def show_overlaps(terminal: Terminal, task: Task) -> None:
    if not task.overlaps:
        return
    rows = [(one.change_id or one.task_id, few(one.files, one.total)) for one in task.overlaps]
    terminal.say()
    terminal.rows(("OVERLAPS WITH", "IN"), rows)


def say_why_it_waits(terminal: Terminal, task: Task) -> None:
    if task.unmet_labels:
        missing = " and ".join(one_line(label) for label in task.unmet_labels)
        terminal.warn(f"It waits: no connected worker has {missing}.")
    if task.overlaps:
        others = ", ".join(one.change_id or one.task_id for one in task.overlaps)
        terminal.warn(f"It touches the same files as {others}.")
    if task.pending_reason is not None:
        until = f" until {task.held_until}" if task.held_until else ""
        terminal.warn(f"It waits: {task.pending_reason}{until}.")
