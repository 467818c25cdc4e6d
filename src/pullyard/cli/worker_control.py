"""``pullyard worker list`` and its like: the coordinator's workers, and a person's hand on them."""

from typing import Annotated, Any

import typer

from pullyard.cli.inputs import checked
from pullyard.cli.profile import connect
from pullyard.cli.references import find_worker
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.cli.worker_agents import app as agents
from pullyard.cli.worker_clean import clean
from pullyard.cli.worker_policy import app as policy
from pullyard.cli.worker_salvage import app as salvage
from pullyard.protocol.isolation import Level
from pullyard.protocol.resources import Intervention, QuarantineWish, Worker

app = typer.Typer(rich_markup_mode=None, add_completion=False)
app.add_typer(agents, name="agents", help="The agents' programs on this machine.")
app.add_typer(policy, name="policy", help="What this machine's owner allows.")
app.add_typer(salvage, name="salvage", help="The unfinished work on this machine.")
app.command("clean")(clean)
WorkerReference = Annotated[str, typer.Argument(help="Its name or its id.")]
Reason = Annotated[str | None, typer.Option(help="Why; it is kept in the audit log.")]

LEVEL_LABEL = "level="
MEASURED = ("sandboxes", "escapes_held")
"""Shown as a table."""


@app.command("list")
def list_workers(context: typer.Context) -> None:
    """All workers."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        workers = list(client.workers())
    heads = ("WORKER", "NAME", "STATE", "RUNNING", "LEVEL", "SEEN", "LABELS")
    terminal.rows(heads, [_row(one) for one in workers])
    terminal.finish(workers)


def _row(worker: Worker) -> tuple[object, ...]:
    state = "revoked" if worker.revoked_at else worker.state
    running = f"{worker.running}/{worker.slots}"
    own = [label for label in worker.labels if not label.startswith(LEVEL_LABEL)]
    seen = worker.seen_at or "never"
    return (worker.id, worker.name, state, running, _level(worker), seen, " ".join(own))


def _level(worker: Worker) -> str:
    """The strongest that its sandboxes reach."""
    return next((level for level in reversed(Level) if LEVEL_LABEL + level in worker.labels), "-")


@app.command("show")
def show(context: typer.Context, worker: WorkerReference) -> None:
    """One worker, and what it measured of its machine."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_worker(client, worker)
    shown = found.model_dump(mode="json")
    shown["facts"] = {name: fact for name, fact in found.facts.items() if name not in MEASURED}
    terminal.facts({"level": _level(found), **shown})
    measured = found.facts.get("sandboxes")
    if isinstance(measured, dict) and measured:
        terminal.say()
        terminal.rows(("SANDBOX", "START", "ESCAPES", "BOUNDS"), map(_sandbox_row, measured.items()))
    terminal.finish(found)


def _sandbox_row(measured: tuple[str, Any]) -> tuple[str, ...]:
    """Another machine's words: whatever shape they have, a row comes of them."""
    name, found = measured[0], measured[1] if isinstance(measured[1], dict) else {}
    seconds = found.get("start_seconds")
    start = f"{seconds * 1000:.0f} ms" if isinstance(seconds, int | float) else "-"
    return (name, start, _held(found.get("escapes")), _held(found.get("bounds")))


def _held(tried: object) -> str:
    if not isinstance(tried, dict) or not tried:
        return "not tried"
    missed = [str(name) for name, kept in tried.items() if not kept]
    return f"{len(tried) - len(missed)}/{len(tried)} held" + "".join(f", not {name}" for name in missed)


@app.command("drain")
def drain(context: typer.Context, worker: WorkerReference) -> None:
    """Let it finish what it has, and give it nothing new."""
    _move(context, worker, "drain")


@app.command("resume")
def resume(context: typer.Context, worker: WorkerReference) -> None:
    """End its draining."""
    _move(context, worker, "resume")


@app.command("quarantine")
def quarantine(
    context: typer.Context,
    worker: WorkerReference,
    *,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Queue what it runs again, for other workers.")
    ] = False,
    reason: Reason = None,
) -> None:
    """Give it nothing until it is released; what it runs goes on."""
    _move(context, worker, "quarantine", checked(QuarantineWish, {"take_back": take_back, "reason": reason}))


@app.command("release")
def release(context: typer.Context, worker: WorkerReference) -> None:
    """End its quarantine, also the one that it has put itself into."""
    _move(context, worker, "release")


@app.command("requeue")
def requeue(context: typer.Context, worker: WorkerReference, *, reason: Reason = None) -> None:
    """Take everything from it and queue it again."""
    _move(context, worker, "requeue", checked(Intervention, {"reason": reason}))


@app.command("revoke")
def revoke(context: typer.Context, worker: WorkerReference) -> None:
    """Take its access away for good; what it runs is queued again."""
    _move(context, worker, "revoke")


@app.command("remove")
def remove(context: typer.Context, worker: WorkerReference) -> None:
    """As revoke, and show it no more."""
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        found = find_worker(client, worker)
        client.remove_worker(found.id)
    terminal.say(f"Removed worker {one_line(found.name)}.")
    terminal.finish({"removed": found.id})


def _move(context: typer.Context, reference: str, verb: str, wish: Intervention | None = None) -> None:
    terminal: Terminal = context.obj
    with connect(terminal) as client:
        moved = client.move_worker(find_worker(client, reference).id, verb, wish)
    terminal.say(f"Worker {one_line(moved.name)} is {moved.state} and runs {moved.running}.")
    terminal.finish(moved)
