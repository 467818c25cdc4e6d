"""``pullyard demo``: from nothing to a verified change on this machine, in front of your eyes."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pullyard.cli.demo_report import PHASES, document, next_commands
from pullyard.cli.demo_repository import BRANCH, make_demo_repository
from pullyard.cli.demo_screen import DemoScreen
from pullyard.cli.in_order import InOrder
from pullyard.cli.inputs import checked, read_agent
from pullyard.cli.places import default_data_directory, make_data_directory
from pullyard.cli.profile import connect
from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.cli.up_child import UpChild
from pullyard.cli.watch import Moved, Printed, Watch
from pullyard.lifecycle.task import TaskState
from pullyard.lifecycle.worker import WorkerState
from pullyard.protocol.errors import PullyardError, RequestError
from pullyard.protocol.resources import ProjectInput, Task, TaskInput, Worker
from pullyard.protocol.stream import SubscribeEvents
from pullyard.sdk.client import Client

app = typer.Typer(rich_markup_mode=None, add_completion=False)

REPOSITORY = "repository.git"
WORKER_SECONDS = 60.0
PROJECT = {"name": "demo", "default_branch": BRANCH, "verify_commands": [["python3", "-m", "unittest"]]}
TASK = {
    "title": "Instalments lose a cent",
    "description": "An invoice of 100.00 in three instalments adds up to 99.99. The instalments must add "
    "up to the invoice's total, and differ by a cent at most.",
    "acceptance_criteria": ["python3 -m unittest passes"],
    "target_files": ["invoices/totals.py"],
}


class DemoFailed(PullyardError):
    """One step did not work; the message says which, why, and what was printed last."""


@app.command()
def demo(
    context: typer.Context,
    *,
    agent: Annotated[str, typer.Option(help="demo (a recorded session) or claude-code.")] = "demo",
    keep: Annotated[bool, typer.Option("--keep", help="Leave the system running until Ctrl-C.")] = False,
) -> None:
    """Make a repository with a failing test, let an agent mend it in a sandbox, and look at the change."""
    terminal: Terminal = context.obj
    began = time.monotonic()
    screen = DemoScreen(terminal)
    screen.title()
    data = make_data_directory(terminal.data or fresh_directory())
    # From here on every connection goes to the demo's own system.
    terminal.data = data
    repository = data / REPOSITORY
    with _step("repository", screen):
        make_repository(repository)
    screen.done("repository", str(repository), "one commit, one failing test")
    child = UpChild(data)
    try:
        with _step("system", screen), screen.busy("starting the coordinator, the database and a worker …"):
            ready = child.ready()
        screen.done("system", str(ready["url"]), f"ready after {time.monotonic() - began:.1f} s")
        with connect(terminal) as client:
            with _step("worker", screen), screen.busy("waiting for the worker …"):
                worker = await_worker(client)
            screen.done("worker", worker.name, f"sandbox {worker.facts.get('sandbox', 'unknown')}")
            result = run_task(client, screen, repository, agent, keep=keep)
        if keep:
            screen.link("Log in", str(ready["login_url"]))
            screen.console.print("The system runs on until Ctrl-C.")
            terminal.finish(result)
            child.wait()
    finally:
        child.stop()
    if not keep:
        terminal.finish(result)


def make_repository(repository: Path) -> None:
    if repository.exists():
        raise RequestError(f"{repository} exists already: name another directory with --data.")
    asyncio.run(make_demo_repository(repository))


def fresh_directory() -> Path:
    return default_data_directory() / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"


@contextmanager
def _step(name: str, screen: DemoScreen) -> Iterator[None]:
    """Errors inside say at which step the demo stopped, after what was printed last."""
    try:
        yield
    except PullyardError as error:
        screen.failed(error.details.get("log", []))
        step = error.details.get("step", name)
        sentence = f"The demo stopped at the step '{step}': {error.message}"
        raise DemoFailed(sentence, code=error.code, details={**error.details, "step": step}) from error


def run_task(
    client: Client, screen: DemoScreen, repository: Path, agent: str, *, keep: bool
) -> dict[str, Any]:
    """Add the project and the task, show what happens, and return the demo's document."""
    with _step("task", screen):
        settings = read_agent(agent, [], None)
        project = client.add_project(
            checked(ProjectInput, {**PROJECT, "repository": str(repository), "agent": settings})
        )
        task = client.add_task(project.id, checked(TaskInput, TASK))
    screen.done("task", f"{project.name}#{task.number} {one_line(task.title)}")
    with _step("execution", screen):
        last = _show(client, screen, task)
        execution = last.execution
        if last.task.state is not TaskState.COMPLETED or not last.task.change_id or execution is None:
            raise failure(last, screen.tail)
        change = client.change(last.task.change_id)
        screen.result(last.task, execution, change)
        screen.diff(client.diff(change.id))
    screen.next(next_commands(change, repository=repository, keeps_running=keep))
    return document(last.task, execution, change, repository=repository, url=client.url)


def _show(client: Client, screen: DemoScreen, task: Task) -> Moved:
    last, order = None, InOrder()
    with screen.busy("waiting for the worker …"):
        for step in Watch(client, task).steps():
            for piece in order.add(step) if isinstance(step, Printed) else order.tick():
                screen.log(piece.stream, piece.data)
            if isinstance(step, Moved):
                last = step
                screen.now(str(step.execution.state if step.execution else step.task.state) + " …")
        for piece in order.rest():
            screen.log(piece.stream, piece.data)
    assert last is not None, "a watch ends with a move"
    return last


def await_worker(client: Client) -> Worker:
    """The worker as soon as it is connected, so that the task's times hold no start of a process."""
    give_up_at = time.monotonic() + WORKER_SECONDS
    with client.stream() as stream:
        stream.subscribe(SubscribeEvents(id="events", project_id=None, cursor=None))
        for _ in stream.hear(0.5):
            ready = [worker for worker in client.workers() if worker.state is WorkerState.IDLE]
            if ready:
                return ready[0]
            if time.monotonic() > give_up_at:
                break
    raise DemoFailed("No worker connected; its log is worker/worker.log in the data directory.")


def failure(last: Moved, log: list[str]) -> DemoFailed:
    task, execution = last.task, last.execution
    begun = list(execution.phase_seconds) if execution else []
    step = next((phase for phase in reversed(PHASES) if phase in begun), "claim")
    why = task.message or f"the task is {task.state}, reason: {task.reason or 'none given'}."
    return DemoFailed(why, code=str(task.reason or "failed"), details={"step": step, "log": log})
