"""``pullyard compare``: one task for several agents, whose work is looked at side by side."""

import json
from typing import Annotated, Any

import typer

from pullyard.cli.compare_wait import CLOSE_SECONDS, await_comparison, has_ended, is_cleared
from pullyard.cli.exit_codes import ExitCode
from pullyard.cli.inputs import checked, money, read_text, split_commands
from pullyard.cli.profile import connect
from pullyard.cli.references import find_comparison, find_project, find_task
from pullyard.cli.sanitise import one_line
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
from pullyard.lifecycle.change import ChangeState
from pullyard.lifecycle.comparison import ComparisonState
from pullyard.lifecycle.money import dollars
from pullyard.protocol.comparisons import (
    Candidate,
    CandidateInput,
    ChoiceInput,
    Comparison,
    ComparisonInput,
)
from pullyard.protocol.errors import RequestError
from pullyard.protocol.fields import AgentSettings
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
ComparisonReference = Annotated[str, typer.Argument(help="Its id, or one of its tasks: PROJECT#NUMBER.")]
HEADS = ("TASK", "AGENT", "STATE", "TRIES", "SECONDS", "TESTS", "FILES", "LINES", "TOKENS", "COST", "CHANGE")


@app.command("add")
def add(  # noqa: PLR0913
    # A command's options are its parameters.
    context: typer.Context,
    project: ProjectArgument,
    title: Title,
    *,
    candidate: Annotated[
        list[str],
        typer.Option(
            help="An agent, such as codex, codex:MODEL, 'command:PROGRAM {prompt_file}', or its JSON. "
            "2 to 8 times."
        ),
    ] = [],  # noqa: B006
    choose: Annotated[
        str, typer.Option(help="Who chooses: manual, first-passing or cheapest-passing.")
    ] = "manual",
    description: Description = "",
    accept: Accept = [],  # noqa: B006
    file: File = [],  # noqa: B006
    verify: Verify = [],  # noqa: B006
    priority: Priority = None,
    label: Labels = [],  # noqa: B006
    after: After = [],  # noqa: B006
    dollars_limit: Annotated[
        str | None, typer.Option("--dollars", help="The most that each candidate may cost, such as 2.50.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="The most that each candidate may use.")] = None,
    base: Base = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until all have ended, then show them.")] = False,
) -> None:
    """Let several agents do the same task, each on a branch of its own."""
    terminal: Terminal = context.obj
    wish: dict[str, Any] = {
        "title": title,
        "candidates": [read_candidate(one) for one in candidate],
        "choose": choose,
        "description": read_text(description) or None,
        "acceptance_criteria": accept or None,
        "target_files": file or None,
        "verify_commands": split_commands(verify),
        "priority": priority,
        "labels": label or None,
        "budget_micros": money(dollars_limit),
        "budget_tokens": tokens,
        "base_branch": base,
    }
    with connect(terminal) as client:
        home = find_project(client, project)
        wish["depends_on"] = [find_task(client, reference).id for reference in after] or None
        wanted = checked(ComparisonInput, wish)
        terminal.say(price_text(wanted))
        made = client.add_comparison(home.id, wanted)
        tasks = ", ".join(f"{one_line(home.name)}#{one.number}" for one in made.candidates)
        terminal.say(f"Added comparison {made.id}: {tasks}.")
        if wait:
            raise typer.Exit(show_at_its_end(terminal, client, made, home.name))
    terminal.finish(made)


def read_candidate(given: str) -> CandidateInput:
    """An agent's name, with its model or its shell line behind a colon, or its settings as JSON."""
    if given.lstrip().startswith("{"):
        try:
            settings: Any = json.loads(given)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"{given[:80]!r} can't be read as JSON: {error}.") from error
        agent = checked(AgentSettings, settings)
    else:
        name, mark, rest = given.partition(":")
        if bool(mark) != bool(rest.strip()):
            raise RequestError(f"{given[:80]!r} is no candidate: write AGENT or AGENT:MODEL.")
        setting = {"command" if name == "command" else "model": rest} if mark else {}
        agent = checked(AgentSettings, {"name": name, "settings": setting})
    return CandidateInput(agent=agent, signature=None)


def price_text(wanted: ComparisonInput) -> str:
    """What it may cost, before anything is begun."""
    count = len(wanted.candidates)
    said = f"The same task {count} times, so about {count} times what it costs once"
    if wanted.budget_micros is not None:
        each, together = dollars(wanted.budget_micros), dollars(count * wanted.budget_micros)
        return f"{said}: each candidate may cost {each}, which is {together} together."
    return f"{said}: --dollars bounds each candidate."


@app.command("list")
def list_comparisons(
    context: typer.Context,
    project: Annotated[str | None, typer.Argument(help="Its name or its id; default: all.")] = None,
) -> None:
    """Comparisons, the newest first."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        project_id = find_project(client, project).id if project else None
        found = list(client.comparisons(project_id=project_id))
    rows = [(one.id, one.state, len(one.candidates), one.title) for one in found]
    terminal.rows(("COMPARISON", "STATE", "CANDIDATES", "TITLE"), rows)
    terminal.finish(found)


@app.command("show")
def show(
    context: typer.Context,
    comparison: ComparisonReference,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until all have ended.")] = False,
) -> None:
    """The candidates side by side: proof, size and cost of each."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_comparison(client, comparison)
        name = client.project(found.project_id).name
        if wait:
            raise typer.Exit(show_at_its_end(terminal, client, found, name))
    show_candidates(terminal, found, name)
    terminal.finish(found)


def show_at_its_end(terminal: Terminal, client: Client, found: Comparison, project_name: str) -> ExitCode:
    ended = await_comparison(client, found, has_ended)
    show_candidates(terminal, ended, project_name)
    terminal.finish(ended)
    good = (ComparisonState.READY, ComparisonState.CHOSEN)
    return ExitCode.OK if ended.state in good else ExitCode.FAILED


def show_candidates(terminal: Terminal, found: Comparison, project_name: str) -> None:
    terminal.say(f"{one_line(found.title)} ({found.id}): {found.state}.")
    terminal.say()
    terminal.rows(HEADS, [candidate_row(one, project_name) for one in found.candidates])
    terminal.say()
    terminal.say(what_next(found))


def candidate_row(one: Candidate, project_name: str) -> tuple[object, ...]:
    changed = one.change_state is not None
    return (
        f"{project_name}#{one.number}",
        agent_text(one.agent),
        "chosen" if one.chosen else f"{one.state} ({one.reason})" if one.reason else one.state,
        one.tries,
        f"{one.seconds:.0f}",
        tests_text(one),
        one.files if changed else "-",
        f"+{one.additions} -{one.deletions}" if changed else "-",
        one.input_tokens + one.output_tokens or "-",
        dollars(one.cost_micros) if one.cost_micros else "-",
        one.url or (f"{one.branch} ({one.change_state})" if changed else "-"),
    )


def agent_text(agent: AgentSettings) -> str:
    setting = agent.settings.get("model") or agent.settings.get("command")
    return f"{agent.name}:{setting}" if isinstance(setting, str) else agent.name


def tests_text(one: Candidate) -> str:
    if one.verified is None:
        return "-"
    verdict = "passed" if one.verified else "not passed"
    return verdict if one.tests is None else f"{verdict}: {one.tests.passed} ok, {one.tests.failed} failed"


def what_next(found: Comparison) -> str:
    match found.state:
        case ComparisonState.RUNNING:
            return "Candidates that are delivered can be chosen; the others are stopped then."
        case ComparisonState.READY:
            return "All have ended: look at them with 'pullyard change diff TASK', and choose one."
        case ComparisonState.FAILED:
            return "None has a change to choose: retry one of the tasks, or cancel the comparison."
        case _:
            who = found.decided_by_name or ("its rule" if found.decided_how == "rule" else "a merge")
            return f"Decided by {one_line(who)}.{left_open(found)}"


def left_open(found: Comparison) -> str:
    still = [one for one in found.candidates if not one.chosen and one.change_state is ChangeState.OPEN]
    if not still:
        return ""
    failed = next((one.errand.message for one in still if one.errand and one.errand.state == "failed"), "")
    why = f" A close has failed: {one_line(failed)} Choose or cancel again to repeat it." if failed else ""
    return f" Still open: {', '.join(one_line(one.branch or '') for one in still)}.{why}"


@app.command("choose")
def choose_candidate(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="The candidate's task: its id, or PROJECT#NUMBER.")],
) -> None:
    """Choose one; the others are stopped and their changes closed."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_task(client, task)
        if found.comparison_id is None:
            raise RequestError(f"Task {found.number} is no candidate of a comparison.")
        chosen = client.choose(found.comparison_id, ChoiceInput(task_id=found.id))
        chosen = await_comparison(client, chosen, is_cleared, CLOSE_SECONDS)
    terminal.say(f"Chose task {found.number}.{left_open(chosen)}")
    terminal.finish(chosen)


@app.command("cancel")
def cancel(context: typer.Context, comparison: ComparisonReference) -> None:
    """Choose none: stop all that run, and close every change."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        cancelled = client.cancel_comparison(find_comparison(client, comparison).id)
        cancelled = await_comparison(client, cancelled, is_cleared, CLOSE_SECONDS)
    terminal.say(f"Cancelled {cancelled.id}.{left_open(cancelled)}")
    terminal.finish(cancelled)
