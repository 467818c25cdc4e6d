"""``pullyard project``: the repositories that tasks work on."""

from pathlib import Path
from typing import Annotated

import typer

from pullyard.cli.change_options import (
    Assignee,
    BranchPrefix,
    ChangeLabel,
    CoAuthor,
    Draft,
    Forge,
    OverlapOption,
    Reviewer,
    with_rules,
)
from pullyard.cli.follow import show_or_finish
from pullyard.cli.inputs import checked, read_agent, read_json_file, split_commands
from pullyard.cli.isolation_options import (
    Cpus,
    Disk,
    Image,
    Memory,
    Protect,
    PushSalvage,
    Sandbox,
    SandboxLevel,
    VerifyRetries,
    isolation_wish,
    with_protected,
    with_salvage,
)
from pullyard.cli.network_options import AllowHost, DenyNetwork, Registries, RemoveHost, with_network
from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.cli.webhook import app as webhook_app
from pullyard.cli.webhook import forge_events
from pullyard.protocol.resources import Project, ProjectInput, ProjectPatch

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
app.add_typer(webhook_app, name="webhook", help="Let the project's forge tell what happens there.")


@app.command("add")
def add(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    repository: Annotated[str, typer.Argument(help="A path on the worker, or an SSH or HTTPS address.")],
    *,
    name: Annotated[str | None, typer.Option(help="Default: the repository's last name.")] = None,
    branch: Annotated[
        str | None, typer.Option(help="The base branch; default: the repository's own.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Such as pullyard, claude-code or command.")] = None,
    agent_option: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="Repeatable.")] = [],  # noqa: B006
    command: Annotated[str | None, typer.Option(help="The shell line of the agent 'command'.")] = None,
    setup: Annotated[list[str], typer.Option(help="A command before the agent. Repeatable.")] = [],  # noqa: B006
    verify: Annotated[list[str], typer.Option(help="A command that proves the work. Repeatable.")] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option(help="What a worker must have. Repeatable.")] = [],  # noqa: B006
    max_running: Annotated[int | None, typer.Option(help="Tasks at the same time.")] = None,
    forge: Forge = None,
    sandbox: Sandbox = None,
    level: SandboxLevel = None,
    image: Image = None,
    cpus: Cpus = None,
    memory: Memory = None,
    disk: Disk = None,
    allow_host: AllowHost = [],  # noqa: B006
    registries: Registries = None,
    deny_network: DenyNetwork = False,
    push_salvage: PushSalvage = None,
) -> None:
    """Add a repository. Verify commands are found on the base branch where none are given."""
    terminal: Terminal = context.obj
    local = Path(repository).expanduser()
    place = str(local.resolve()) if local.exists() else repository
    fallback = place.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git")
    wish = checked(
        ProjectInput,
        {
            "name": name or fallback,
            "repository": place,
            "default_branch": branch,
            "agent": read_agent(agent, agent_option, command),
            "setup_commands": split_commands(setup),
            "verify_commands": split_commands(verify),
            "labels": label or None,
            "max_running": max_running,
            "forge": forge,
            "isolation": with_salvage(
                with_network(
                    isolation_wish(
                        None, backend=sandbox, level=level, image=image, cpus=cpus, memory=memory, disk=disk
                    ),
                    None,
                    allow=allow_host,
                    registries=registries,
                    deny=deny_network,
                ),
                None,
                push=push_salvage,
            ),
        },
    )
    with connect(terminal) as client:
        project = client.add_project(wish)
    terminal.say(f"Added project {one_line(project.name)} ({project.id}).")
    terminal.finish(project)


@app.command("list")
def list_projects(context: typer.Context) -> None:
    """All projects."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        projects = list(client.projects())
    heads = ("NAME", "QUEUED", "RUNNING", "AUTOMATION", "AGENT", "REPOSITORY")
    terminal.rows(heads, [_row(project) for project in projects])
    terminal.finish(projects)


def _row(project: Project) -> tuple[object, ...]:
    counts = (project.queued, project.running, project.automation)
    return (project.name, *counts, project.agent.name, project.repository)


@app.command("show")
def show(context: typer.Context, project: Annotated[str, typer.Argument(help="Its name or its id.")]) -> None:
    """One project and its settings."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_project(client, project)
    terminal.facts(found.model_dump(mode="json"))
    terminal.finish(found)


@app.command("steps")
def steps(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="Its name or its id.")],
    *,
    file: Annotated[
        Path | None,
        typer.Option("--set", metavar="FILE", help="Replace them by this JSON list; [] removes all."),
    ] = None,
) -> None:
    """The project's own steps in its tasks' workflows."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_project(client, project)
        if file is not None:
            patch = checked(ProjectPatch, {"workflow_nodes": read_json_file(file)})
            found = client.edit_project(found.id, patch, version=found.version)
    rows = [(node.name, node.after, node.kind) for node in found.workflow_nodes]
    terminal.rows(("STEP", "AFTER", "KIND"), rows)
    terminal.finish(found)


@app.command("initialize")
def initialize(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="Its name or its id.")],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the log, and end with the task's result.")
    ] = False,
) -> None:
    """Look at the repository and offer it a task list; no model is needed."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        task = client.initialize(find_project(client, project).id)
        terminal.say(f"Added task {task.number} ({task.id}).")
        show_or_finish(terminal, client, task, wait=wait)


@app.command("edit")
def edit(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="Its name or its id.")],
    *,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    branch: Annotated[str | None, typer.Option(help="The base branch.")] = None,
    agent: Annotated[str | None, typer.Option(help="Such as pullyard, claude-code or command.")] = None,
    agent_option: Annotated[list[str], typer.Option(metavar="KEY=VALUE", help="Repeatable.")] = [],  # noqa: B006
    command: Annotated[str | None, typer.Option(help="The shell line of the agent 'command'.")] = None,
    setup: Annotated[list[str], typer.Option(help="Instead of those it has. Repeatable.")] = [],  # noqa: B006
    verify: Annotated[list[str], typer.Option(help="Instead of those it has. Repeatable.")] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option(help="Instead of those it has. Repeatable.")] = [],  # noqa: B006
    max_running: Annotated[int | None, typer.Option(help="Tasks at the same time.")] = None,
    forge: Forge = None,
    draft: Draft = None,
    change_label: ChangeLabel = [],  # noqa: B006
    reviewer: Reviewer = [],  # noqa: B006
    assignee: Assignee = [],  # noqa: B006
    co_author: CoAuthor = [],  # noqa: B006
    branch_prefix: BranchPrefix = None,
    overlap: OverlapOption = None,
    tries: Annotated[int | None, typer.Option(help="How often a task is tried, the first included.")] = None,
    sandbox: Sandbox = None,
    level: SandboxLevel = None,
    image: Image = None,
    cpus: Cpus = None,
    memory: Memory = None,
    disk: Disk = None,
    allow_host: AllowHost = [],  # noqa: B006
    remove_host: RemoveHost = [],  # noqa: B006
    registries: Registries = None,
    deny_network: DenyNetwork = False,
    push_salvage: PushSalvage = None,
    protect: Protect = [],  # noqa: B006
    verify_retries: VerifyRetries = None,
) -> None:
    """Change a project's settings; tasks that run go on as they were granted."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_project(client, project)
        retry = None if tries is None else found.retry.model_copy(update={"max_tries": tries})
        limits = (
            None
            if verify_retries is None
            else found.limits.model_copy(update={"verify_retries": verify_retries})
        )
        isolation = isolation_wish(
            found.isolation,
            backend=sandbox,
            level=level,
            image=image,
            cpus=cpus,
            memory=memory,
            disk=disk,
        )
        isolation = with_network(
            isolation,
            found.isolation,
            allow=allow_host,
            remove=remove_host,
            registries=registries,
            deny=deny_network,
        )
        isolation = with_salvage(isolation, found.isolation, push=push_salvage)
        isolation = with_protected(isolation, found.isolation, paths=protect)
        wish = {
            "name": name,
            "default_branch": branch,
            "agent": read_agent(agent, agent_option, command),
            "setup_commands": split_commands(setup),
            "verify_commands": split_commands(verify),
            "labels": label or None,
            "max_running": max_running,
            "forge": forge,
            "change_rules": with_rules(
                found.change_rules,
                {
                    "labels": change_label,
                    "reviewers": reviewer,
                    "assignees": assignee,
                    "co_authors": co_author,
                },
                draft=draft,
                branch_prefix=branch_prefix,
                overlap=overlap,
            ),
            "retry": None if retry is None else retry.model_dump(),
            "limits": None if limits is None else limits.model_dump(),
            "isolation": isolation,
        }
        edited = client.edit_project(found.id, checked(ProjectPatch, wish), version=found.version)
    terminal.say(f"Changed project {one_line(edited.name)}.")
    terminal.finish(edited)


@app.command("remove")
def remove(
    context: typer.Context, project: Annotated[str, typer.Argument(help="Its name or its id.")]
) -> None:
    """Remove a project that has no tasks."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_project(client, project)
        client.remove_project(found.id)
    terminal.say(f"Removed project {one_line(found.name)}.")
    terminal.finish({"removed": found.id})


app.command("forge-events")(forge_events)
