"""``pullyard worker policy``: what this machine's owner allows, read and explained as the worker does it."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

from pullyard.cli.inputs import split_command
from pullyard.cli.places import WORKER_DIRECTORY, default_data_directory
from pullyard.cli.profile import connect
from pullyard.cli.references import find_task
from pullyard.cli.sanitise import one_line
from pullyard.cli.signed_work import described
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.command_rules import judge_command, read_rule
from pullyard.lifecycle.tool_routing import TOOLS, ToolBounds, judge_tool
from pullyard.protocol.errors import PullyardError
from pullyard.sandboxes.protocol import Probe, SandboxUnavailable
from pullyard.sandboxes.registry import SAFE, usable
from pullyard.worker.policy.decide import Decider, Notes
from pullyard.worker.policy.load import find_policy, load_policy
from pullyard.worker.policy.model import Policy, Rule

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
POLICY_VARIABLE = "PULLYARD_WORKER_POLICY_FILE"
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        envvar=POLICY_VARIABLE,
        help="Default: the one that the worker with this data directory reads.",
    ),
]


def read(terminal: Terminal, file: Path | None) -> Policy:
    return read_policy_here(terminal.data or default_data_directory(), file)


def read_policy_here(data: Path, file: Path | None = None) -> Policy:
    """As the worker of this data directory reads it. Raises PolicyInvalid."""
    named = os.environ.get(POLICY_VARIABLE)
    found = find_policy(file or (Path(named) if named else None), data / WORKER_DIRECTORY)
    return load_policy(found, local_coordinator=True)


@app.command("check")
def check(context: typer.Context, *, file: PolicyFile = None) -> None:
    """Fail with the line and what to write, unless a worker would start with it."""
    terminal: Terminal = context.obj
    policy = read(terminal, file)
    terminal.say(f"A worker starts with {policy.title}: {count(policy)}.")
    for sentence in policy.unreachable():
        terminal.warn(sentence)
    terminal.finish({"source": policy.source, "rules": len(policy.rules), "warnings": policy.unreachable()})


def count(policy: Policy) -> str:
    return "1 rule" if len(policy.rules) == 1 else f"{len(policy.rules)} rules"


@app.command("show")
def show(context: typer.Context, *, file: PolicyFile = None) -> None:
    """Every rule with all that it says by default; the first that fits a repository holds."""
    terminal: Terminal = context.obj
    policy = read(terminal, file)
    terminal.say(f"{policy.title}:")
    rules = [msgspec.to_builtins(rule) for rule in policy.rules]
    for rule in rules:
        terminal.say()
        shown = flat(rule)
        width = max(map(len, shown))
        for name, value in shown.items():
            terminal.say_text(f"{name.ljust(width)}  {value}")
    terminal.finish({"source": policy.source, "rules": rules})


def flat(table: dict[str, object], prefix: str = "") -> dict[str, str]:
    """``{"text": {"logs": True}}`` as ``{"text.logs": "true"}``; what has no bound is left out."""
    shown: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            shown |= flat(cast(dict[str, object], value), f"{prefix}{name}.")
        elif value is not None:
            shown[prefix + name] = json.dumps(value, ensure_ascii=False)
    return shown


@app.command("explain")
def explain(
    context: typer.Context,
    task: Annotated[str, typer.Argument(help="Its id, or PROJECT#NUMBER.")],
    *,
    file: PolicyFile = None,
) -> None:
    """Whether this worker would do a task, within which bounds, and why; nothing is done."""
    terminal: Terminal = context.obj
    policy = read(terminal, file)
    with connect(terminal) as client:
        found = find_task(client, task)
        work = described(client.project(found.project_id), found)
    named = msgspec.structs.replace(work.task, id=found.id, number=found.number)
    branch = f"pullyard/{found.number}-{found.id[-6:]}"
    grant = msgspec.structs.replace(work, task=named, branch=branch, signature=found.signature)
    probes = measured() if any(wants_probes(rule) for rule in policy.rules) else []
    permit = Decider(policy, None, probes).permit(grant)
    for note in permit.notes:
        terminal.say(one_line(note, characters=1000))
    terminal.say("This worker would do it.")
    terminal.finish({"task_id": found.id, "allowed": True, "notes": permit.notes})


@app.command("command")
def command(
    context: typer.Context,
    repository: Annotated[str, typer.Argument(help="Its address, as its project has it.")],
    line: Annotated[str, typer.Argument(metavar="COMMAND", help="As one word: 'npm run build'.")],
    *,
    file: PolicyFile = None,
) -> None:
    """Whether a set-up, verify or step command would run; a project may be stricter."""
    terminal: Terminal = context.obj
    rule = Decider(read(terminal, file)).rule_of(repository, Notes())
    decision = judge_command(split_command(line), [read_rule(text) for text in rule.commands])
    terminal.say(f"{decision.verdict}: {one_line(decision.why, characters=1000)}")
    terminal.finish({"verdict": decision.verdict, "why": decision.why})


@app.command("tools")
def tools(
    context: typer.Context,
    repository: Annotated[
        str | None, typer.Argument(help="Its address; default: as without any policy.")
    ] = None,
    *,
    file: PolicyFile = None,
) -> None:
    """Where each tool that agents are served runs, and whether it may be called."""
    terminal: Terminal = context.obj
    rule = Decider(read(terminal, file)).rule_of(repository, Notes()) if repository else Rule(match=("*",))
    owner = ToolBounds(rule.tools, rule.ssh_hosts)
    rows = [
        (name, route.place, route.security, verdict_of(name, owner), route.why)
        for name, route in TOOLS.items()
    ]
    heads = ("TOOL", "RUNS IN", "REACHES", "VERDICT", "WHY")
    terminal.rows(heads, rows)
    terminal.finish(
        [dict(zip(("tool", "place", "security", "verdict", "why"), row, strict=True)) for row in rows]
    )


def verdict_of(name: str, owner: ToolBounds) -> str:
    """Where it goes is known for none; one host that is allowed makes it the project's to say."""
    host = owner.ssh_hosts[0].removeprefix("*.") if owner.ssh_hosts else None
    return judge_tool(name, project=ToolBounds(), owner=owner, host=host).verdict


def wants_probes(rule: Rule) -> bool:
    return rule.sandbox.level is not None or "*" not in rule.sandbox.backends


def measured() -> list[Probe]:
    """As the worker measures them at its start."""
    try:
        return asyncio.run(usable(SAFE, 210_000 if os.geteuid() == 0 else None))
    except SandboxUnavailable as error:
        raise PullyardError(str(error), code="no-sandbox") from error
