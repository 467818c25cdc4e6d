"""What the demo tells at its end, for programs and for people."""

import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from pullyard.protocol.resources import Change, Execution, Task

PHASES = ("prepare", "implement", "verify", "publish")


def milliseconds(begin: datetime, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds() * 1000, 1) if end else None


def timings(task: Task, execution: Execution) -> dict[str, float | None]:
    phases = {
        f"{phase}_ms": round(execution.phase_seconds[phase] * 1000, 1)
        if phase in execution.phase_seconds
        else None
        for phase in PHASES
    }
    return {
        "claim_ms": milliseconds(execution.queued_at, execution.assigned_at),
        **phases,
        "total_ms": milliseconds(task.created_at, task.finished_at),
    }


def document(
    task: Task, execution: Execution, change: Change, *, repository: Path, url: str
) -> dict[str, Any]:
    """What ``pullyard demo --json`` ends with; programs depend on its names."""
    receipt = change.receipt or {}
    commands = [
        {name: one.get(name) for name in ("argv", "exit_code", "seconds")}
        for one in receipt.get("commands", [])
    ]
    return {
        "task": task.id,
        "execution": execution.id,
        "change": {
            "id": change.id,
            "branch": change.branch,
            "commit": change.commit,
            "base": change.base_branch,
            "diffstat": change.diffstat,
        },
        "receipt": {"commands": commands, "commit": receipt.get("commit")},
        "repository": str(repository),
        "url": url,
        "timings": timings(task, execution),
        "sandbox": receipt.get("sandbox") or execution.facts.get("sandbox"),
    }


def program() -> str:
    """This program as the user called it, for commands to copy."""
    called = sys.argv[0]
    return shlex.quote(called) if called.endswith("pullyard") else "pullyard"


def next_commands(change: Change, *, repository: Path, keeps_running: bool) -> list[tuple[str, str]]:
    """What to do next: a word, and a command to copy."""
    git = f"git -C {shlex.quote(str(repository))}"
    branch, base = shlex.quote(change.branch), shlex.quote(change.base_branch)
    at = f"--data {shlex.quote(str(repository.parent))}"
    start = [] if keeps_running else [("Start again", f"{program()} up {at}   # leave it running")]
    return [
        ("Look", f"{git} show {branch}"),
        ("Try", f"git clone --quiet --branch {branch} {shlex.quote(str(repository))} tried"),
        *start,
        ("Merge", f"{program()} change merge {change.id} {at}"),
        ("Check", f"{git} log --oneline --graph {base}"),
    ]
