"""Shows a project's automation: once, or for as long as there is something to do."""

import time

from pullyard.cli.sanitise import one_line
from pullyard.cli.terminal import Terminal
from pullyard.lifecycle.automation import AutomationState
from pullyard.lifecycle.task import TaskState
from pullyard.protocol.automation import Automation, FollowedList, TaskListState
from pullyard.protocol.errors import RemoteFailure
from pullyard.protocol.stream import ExecutionUpdate, SubscribeEvents
from pullyard.sdk.client import Client
from pullyard.sdk.stream import Silence

LOOK_SECONDS = 2.0
LIST_PATIENCE_SECONDS = 120.0
BAR_WIDTH = 24
SHOWN_WARNINGS = 20
_WAITS = (TaskState.PENDING, TaskState.QUEUED, TaskState.RUNNING, TaskState.WAITING)


def say_automation(terminal: Terminal, automation: Automation) -> None:
    terminal.say(progress_line(automation))
    if automation.message:
        terminal.say(one_line(automation.message, characters=500))
    followed = automation.task_list
    if followed is not None:
        terminal.say(list_line(followed))
    rows = [
        (f"#{task.number}", task.state, task.source, task.title)
        for task in (*automation.current, *automation.next)
    ]
    if rows:
        terminal.rows(("TASK", "STATE", "FROM", "TITLE"), rows)


def progress_line(automation: Automation) -> str:
    """Such as ``running  [########................]  7 of 20 done, 2 running, 1 failed``."""
    total = max(automation.total, 1)
    filled = BAR_WIDTH * automation.done // total
    shown = (TaskState.RUNNING, TaskState.WAITING, TaskState.QUEUED, TaskState.PENDING, TaskState.FAILED)
    counts = [f"{automation.tasks[state]} {state}" for state in shown if automation.tasks.get(state)]
    bar = "#" * filled + "." * (BAR_WIDTH - filled)
    words = ", ".join([f"{automation.done} of {automation.total} done", *counts])
    return f"{automation.state}  [{bar}]  {words}"


def list_line(followed: FollowedList) -> str:
    name = one_line(followed.path)
    if followed.state is not TaskListState.READ:
        return f"{name}: {followed.state}. {one_line(followed.message, characters=500)}".strip()
    warnings = f", {len(followed.warnings)} warnings" if followed.warnings else ""
    return f"{name}: {followed.done} of {followed.items} items checked{warnings}"


def say_warnings(terminal: Terminal, followed: FollowedList) -> None:
    for warning in followed.warnings[:SHOWN_WARNINGS]:
        terminal.warn(f"{one_line(followed.path)}:{warning.line}: {warning.message}")
    if len(followed.warnings) > SHOWN_WARNINGS:
        terminal.warn(f"And {len(followed.warnings) - SHOWN_WARNINGS} more: see --json.")


def has_work(automation: Automation) -> bool:
    """Whether something goes on by itself, or is about to."""
    followed = automation.task_list
    reads = followed is not None and followed.under_way
    if automation.state is AutomationState.RUNNING:
        return reads or any(automation.tasks.get(state) for state in _WAITS)
    return bool(automation.current)


def follow_automation(terminal: Terminal, client: Client, automation: Automation) -> Automation:
    """The automation once it has nothing to do; says each change of its progress until then."""
    said = ""
    with client.stream() as stream:
        stream.subscribe(SubscribeEvents(id="events", project_id=automation.project_id, cursor=None))
        # Read once more after the subscription, or a change between the two would be missed.
        automation = client.automation(automation.project_id)
        for heard in stream.hear(LOOK_SECONDS):
            if isinstance(heard, ExecutionUpdate | Silence):
                automation = client.automation(automation.project_id)
            if not has_work(automation):
                break
            line = progress_line(automation)
            if line != said:
                terminal.say(line)
                said = line
    return automation


def await_list(client: Client, automation: Automation) -> Automation:
    """The automation after its list was read. Raises RemoteFailure where no worker does it."""
    give_up_at = time.monotonic() + LIST_PATIENCE_SECONDS
    with client.stream() as stream:
        stream.subscribe(SubscribeEvents(id="events", project_id=automation.project_id, cursor=None))
        automation = client.automation(automation.project_id)
        for heard in stream.hear(LOOK_SECONDS):
            if isinstance(heard, ExecutionUpdate | Silence):
                automation = client.automation(automation.project_id)
            if automation.task_list is None or not automation.task_list.under_way:
                return automation
            if time.monotonic() > give_up_at:
                break
    raise RemoteFailure(
        f"No worker has read the task list in {LIST_PATIENCE_SECONDS:.0f} s; it stays asked for: is one "
        "of this version connected?",
        retryable=True,
        code="list-unread",
    )
