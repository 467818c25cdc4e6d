"""``pullyard project webhook`` and ``forge-events``: what happens on a project's forge, and what follows."""

from typing import Annotated

import typer

from pullyard.cli.change_options import NONE
from pullyard.cli.inputs import checked
from pullyard.cli.profile import connect
from pullyard.cli.references import find_project
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.protocol.resources import ProjectPatch
from pullyard.protocol.webhooks import Webhook, WebhookInput

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
ProjectReference = Annotated[str, typer.Argument(help="Its name or its id.")]
SHOWN = 5


@app.command("add")
def add(
    context: typer.Context,
    project: ProjectReference,
    *,
    forge: Annotated[
        str | None, typer.Option(help="github, gitlab, gitea or bitbucket; default: as the project says.")
    ] = None,
) -> None:
    """Make a webhook, and say what to type at the forge. Its secret is shown this once."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        made = client.add_webhook(find_project(client, project).id, checked(WebhookInput, {"forge": forge}))
    terminal.say(f"Added webhook {made.id}. At the forge, in the repository's settings, make one with:")
    for name, value in entries(made):
        terminal.say(f"  {name.ljust(13)}{value}")
    terminal.finish(made)


def entries(made: Webhook) -> list[tuple[str, str]]:
    """As the forge's page has them."""
    secrets = {
        "gitlab": [("Signing token", f"{made.secret}   (where there is no such field: as Secret token)")]
    }
    kinds = {
        "github": [("Content type", "application/json")],
        "gitea": [("Content type", "application/json")],
    }
    ticks = [("Events" if not place else "", event) for place, event in enumerate(made.events)]
    return [
        ("URL", made.url),
        *secrets.get(made.forge, [("Secret", str(made.secret))]),
        *kinds.get(made.forge, []),
        *ticks,
    ]


@app.command("list")
def list_webhooks(context: typer.Context, project: ProjectReference) -> None:
    """A project's webhooks, and what came of their newest deliveries."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        webhooks = list(client.webhooks(find_project(client, project).id))
    for webhook in webhooks:
        refused = f", {webhook.refused} refused, last {webhook.refused_at}" if webhook.refused else ""
        terminal.say(f"{webhook.id}  {webhook.forge}  since {webhook.created_at}{refused}")
        rows = [
            (one.received_at, one.event, one.verdict, one.task_id or one.change_id or "", one.why)
            for one in webhook.deliveries[:SHOWN]
        ]
        terminal.rows(("TIME", "EVENT", "VERDICT", "OF", "WHY"), rows)
    terminal.finish(webhooks)


@app.command("remove")
def remove(
    context: typer.Context,
    project: ProjectReference,
    webhook: Annotated[str, typer.Argument(help="Its id.")],
) -> None:
    """Remove a webhook; its tasks stay."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        client.remove_webhook(find_project(client, project).id, webhook)
    terminal.say(f"Removed {webhook}.")
    terminal.finish({"removed": webhook})


def forge_events(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    project: ProjectReference,
    *,
    label: Annotated[str | None, typer.Option(help="An issue that gets it becomes a task.")] = None,
    command: Annotated[str | None, typer.Option(help="A comment that begins with it asks for work.")] = None,
    trust: Annotated[
        list[str],
        typer.Option(help=f"An account that may ask; instead of those it has. Repeatable; {NONE}."),
    ] = [],  # noqa: B006
    members: Annotated[
        bool | None,
        typer.Option("--members/--no-members", help="Whoever the forge calls a member may ask, too."),
    ] = None,
    reviews: Annotated[
        bool | None, typer.Option("--reviews/--no-reviews", help="Answer reviews of its changes.")
    ] = None,
    checks: Annotated[
        bool | None, typer.Option("--checks/--no-checks", help="Answer failing checks of its changes.")
    ] = None,
    quiet: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="Nothing new for so long before an answer.")
    ] = None,
    poll: Annotated[
        bool | None,
        typer.Option("--poll/--no-poll", help="Let a worker look for labelled issues, too."),
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="So often for one change.")] = None,
) -> None:
    """Show or change what follows from issues, comments, reviews and checks on the forge."""
    terminal: Terminal = context.obj
    typed = {
        "label": label,
        "command": command,
        "trusted": [one for one in trust if one != NONE] if trust else None,
        "trust_members": members,
        "respond_to_reviews": reviews,
        "respond_to_checks": checks,
        "quiet_seconds": quiet,
        "poll_issues": poll,
        "rounds": rounds,
    }
    given = {name: value for name, value in typed.items() if value is not None}
    with connect(terminal) as client:
        found = find_project(client, project)
        if given:
            patch = checked(ProjectPatch, {"forge_events": {**found.forge_events.model_dump(), **given}})
            found = client.edit_project(found.id, patch, version=found.version)
            terminal.say(f"Changed project {one_line(found.name)}.")
    terminal.facts(found.forge_events.model_dump())
    if found.issues_problem is not None:
        terminal.say(f"The last look for issues failed: {one_line(found.issues_problem)}")
    terminal.finish(found.forge_events)
