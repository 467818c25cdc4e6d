"""Shows a task's life as lines, and says how it ended."""

from collections.abc import Iterator

import typer

from pullyard.cli.exit_codes import ExitCode
from pullyard.cli.in_order import InOrder
from pullyard.cli.sanitise import Lines, one_line
from pullyard.cli.terminal import Terminal
from pullyard.cli.watch import Moved, Printed, Step, Watch
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.resources import Change, Execution, Task
from pullyard.sdk.client import Client


class LogPrinter:
    """Prints several streams one after the other, with a head line at each change, as ``tail`` does."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._streams: dict[str, Lines] = {}
        self._shown = ""

    def print(self, step: Printed) -> None:
        key = f"{step.execution_id}/{step.stream}"
        lines = self._streams.setdefault(key, self._terminal.log_lines())
        self._say(key, lines.feed(step.data))

    def end(self) -> None:
        for key, lines in self._streams.items():
            self._say(key, lines.end())

    def _say(self, key: str, lines: list[str]) -> None:
        if lines and key != self._shown:
            self._shown = key
            self._terminal.say(f"==> {key.partition('/')[2]} <==")
        for line in lines:
            self._terminal.say(line)


def follow(terminal: Terminal, steps: Iterator[Step]) -> Moved | None:
    """Print until the task's end; the last move, None where there was none."""
    printer, order = LogPrinter(terminal), InOrder()
    last = None
    for step in steps:
        ready = order.add(step) if isinstance(step, Printed) else order.tick()
        for piece in ready:
            printer.print(piece)
        if isinstance(step, Moved):
            last = step
            # While it runs, the heads of its phases say so, and in the order of what was printed.
            if step.task.state in (TaskState.PENDING, TaskState.QUEUED, TaskState.WAITING):
                terminal.say(f"[{describe_state(step.task)}]")
    for piece in order.rest():
        printer.print(piece)
    printer.end()
    return last


def show_or_finish(terminal: Terminal, client: Client, task: Task, *, wait: bool) -> None:
    """End the command with the task as it is, or with its result. Raises typer.Exit."""
    if not wait:
        terminal.finish(task)
        return
    last = follow(terminal, Watch(client, task).steps())
    assert last is not None, "a watch ends with a move"
    raise typer.Exit(finish_task(terminal, client, last.task, last.execution))


def describe_state(task: Task) -> str:
    if task.unmet_labels:
        missing = " and ".join(one_line(label) for label in task.unmet_labels)
        return f"{task.state}: no connected worker has {missing}"
    if task.state is TaskState.WAITING:
        return f"{task.state}: {one_line(task.message)} (pullyard execution answer {task.id} approve)"
    return f"{task.state}: waits for {task.pending_reason}" if task.pending_reason else str(task.state)


def finish_task(terminal: Terminal, client: Client, task: Task, execution: Execution | None) -> ExitCode:
    """Say how the task ended; the exit code says so too."""
    change: Change | None = client.change(task.change_id) if task.change_id else None
    if task.state is TaskState.COMPLETED and change is not None:
        terminal.say(f"Task {task.number} is completed: change {change.id} on {one_line(change.branch)}.")
        terminal.say(f"Look at it with 'pullyard change diff {change.id}'.")
    elif task.state is TaskState.COMPLETED:
        terminal.say(f"Task {task.number} is completed: there was nothing to change.")
    else:
        why = task.message or (execution.message if execution else "") or task.reason or "no reason was given"
        terminal.warn(f"Task {task.number} {task.state}: {why}")
    terminal.finish({"task": task, "execution": execution, "change": change})
    return ExitCode.OK if task.state is TaskState.COMPLETED else ExitCode.FAILED
