"""What the task list says becomes the project's tasks: made, edited while they wait, taken back."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.list_order import put_in_order
from pullyard.coordinator.automation.wishes import wish_of
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.edit import edit_task
from pullyard.coordinator.tasks.end import end_task
from pullyard.coordinator.tasks.transition import move_task
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.lifecycle.reasons import Reason
from pullyard.lifecycle.task import TaskEvent, TaskState
from pullyard.lifecycle.task_lists.model import MAX_WARNINGS, ListItem, ListWarning, Mark, TaskList
from pullyard.lifecycle.task_lists.plan import runnable
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.protocol.resources import TaskInput, TaskPatch
from pullyard.store.queries import named

WAITING = frozenset({TaskState.PENDING, TaskState.QUEUED})
_TAKEN_BACK = {
    None: "It was taken out of the task list.",
    Mark.DONE: "Its box in the task list is checked.",
    Mark.HELD: "It is held in the task list.",
    Mark.OPEN: "It waits for an item that is held in the task list.",
}


@dataclass(frozen=True)
class Made:
    """A task that was made just now."""

    id: str
    item: ListItem
    state: TaskState = TaskState.QUEUED


@dataclass
class Applying:
    """One list on its way into one project, whose lock is held."""

    connection: AsyncConnection
    project: Any
    tasks: dict[str, Any]
    """By key, as they are now."""
    edges: dict[str, set[str]]
    """What each task waits for, by ids."""
    warnings: list[ListWarning]
    placeless: set[str] = field(default_factory=set[str])
    """The keys of the tasks that are new, or wanted again: they have no place in the queue yet."""
    edited: int = 0
    taken_back: int = 0
    waits_for_people: bool = False
    """Whether an item may become a task without a change of the list, when something else was done."""

    def warn(self, item: ListItem, message: str) -> None:
        self.warnings.append(ListWarning(item.line, message))


async def apply_list(
    connection: AsyncConnection, project: Any, parsed: TaskList, seen: Mapping[str, str]
) -> None:
    """Repeatable: what is so already is left as it is.

    A task that runs or has ended is never touched: its text is what it was begun on. ``seen`` is the commit
    and the blob that the list was read from.
    """
    runs, held = runnable(parsed.items)
    tasks = await list_tasks(connection, project.id)
    edges = await list_edges(connection, project.id)
    applying = Applying(connection, project, tasks, edges, [*parsed.warnings, *held])
    going = {item.key for item in runs}
    for item in runs:
        try:
            await apply_item(applying, item, [key for key in item.after if key in going])
        except (RequestError, Conflict, IllegalTransition) as problem:
            applying.waits_for_people |= isinstance(problem, Conflict)
            applying.warn(item, str(problem))
    created = await note_made(applying)
    await take_back(applying, parsed, going)
    applying.tasks = await list_tasks(connection, project.id)
    in_file = [item.key for item in parsed.items]
    waiting = [
        applying.tasks[item.key] for item in parsed.items if item.key in applying.tasks and item.key in going
    ]
    waiting = [task for task in waiting if task.state in WAITING]
    await put_in_order(connection, project.id, waiting, applying.placeless, in_file)
    await write_down(applying, parsed, seen, {"keys": in_file, "created": created})


async def apply_item(applying: Applying, item: ListItem, after: list[str]) -> None:
    """Make or edit the item's task; ``after`` are the keys of what it has to wait for."""
    check_waits(applying, after)
    wish = wish_of(item, applying.project.agent["name"])
    wanted = {applying.tasks[key].id for key in after}
    task = applying.tasks.get(item.key)
    if task is None:
        await make_task(applying, item, wish, wanted)
        return
    if task.state == TaskState.CANCELLED and task.list_digest is None:
        applying.placeless.add(item.key)
    elif task.state not in WAITING:
        if task.list_digest != item.digest:
            applying.warn(item, f"Its task #{task.number} is {task.state}, so the new text is not used.")
        return
    listed = {row.id for row in applying.tasks.values()}
    waits_for = applying.edges[task.id]
    if wanted != waits_for & listed or applying.tasks[item.key].list_digest != item.digest:
        # What a person or a resolution made it wait for stays; what the list says of its own items is set.
        await rewrite_task(applying, item, wish, sorted(wanted | (waits_for - listed)))


def check_waits(applying: Applying, after: list[str]) -> None:
    """Raises Conflict where the keys name what never comes, or is not there yet."""
    if missing := [key for key in after if key not in applying.tasks]:
        raise Conflict(f"It waits for {missing[0]!r}, which is no task yet.", code="dependency-missing")
    if ended := [applying.tasks[key] for key in after if is_in_vain(applying.tasks[key])]:
        raise Conflict(
            f"It waits for task #{ended[0].number}, which is {ended[0].state}; retry that one first.",
            code="dependency-ended",
        )


def is_in_vain(task: Any) -> bool:
    """Whether waiting for it is in vain; what the list took back itself is revived before."""
    if task.state == TaskState.CANCELLED:
        return task.list_digest is not None
    return task.state == TaskState.FAILED


async def make_task(applying: Applying, item: ListItem, wish: TaskInput, wanted: set[str]) -> None:
    project = applying.project
    wish = wish.model_copy(update={"depends_on": sorted(wanted)})
    # Only what a task waits for can still turn out to be impossible, and must leave nothing behind then.
    async with applying.connection.begin_nested() if wanted else nullcontext():
        task_id = await create_task(applying.connection, project.tenant_id, project.id, wish)
    applying.tasks[item.key] = Made(task_id, item)
    applying.placeless.add(item.key)


async def note_made(applying: Applying) -> int:
    """Write down which items the new tasks are made of, for all at once; returns how many there are."""
    made = [task for task in applying.tasks.values() if isinstance(task, Made)]
    await applying.connection.execute(
        named("list_made"),
        {
            "ids": [one.id for one in made],
            "keys": [one.item.key for one in made],
            "digests": [one.item.digest for one in made],
        },
    )
    return len(made)


async def rewrite_task(applying: Applying, item: ListItem, wish: TaskInput, depends_on: list[str]) -> None:
    task = applying.tasks[item.key]
    # What turns out to be impossible leaves nothing behind, and the other items go on.
    async with applying.connection.begin_nested():
        if task.state == TaskState.CANCELLED:
            await move_task(applying.connection, task, TaskEvent.RETRY)
        await edit_from_list(applying, item, wish, depends_on)
    applying.edited += 1


async def edit_from_list(applying: Applying, item: ListItem, wish: TaskInput, depends_on: list[str]) -> None:
    task = applying.tasks[item.key]
    given = {name: getattr(wish, name) for name in FROM_LIST}
    patch = TaskPatch(**given, depends_on=depends_on)
    await edit_task(applying.connection, task.tenant_id, task.id, patch, None, member_id=None)
    await applying.connection.execute(named("list_set_digest"), {"id": task.id, "digest": item.digest})


FROM_LIST = frozenset(
    {
        "title",
        "description",
        "acceptance_criteria",
        "target_files",
        "verify_commands",
        "priority",
        "labels",
        "budget_micros",
        "agent",
    }
)
"""What a list says of a task; a person's edit of anything else stays."""


async def take_back(applying: Applying, parsed: TaskList, going: set[str]) -> None:
    """Cancel what waits and is not to be run any more; it is revived when the list wants it again."""
    marks = {item.key: item.mark for item in parsed.items}
    gone = [
        task
        for key, task in applying.tasks.items()
        if key not in going and task.state in WAITING and (key in marks or not parsed.cut)
    ]
    # They don't wait for each other any more, else one would fail with the other.
    await applying.connection.execute(named("dependencies_drop"), {"ids": [task.id for task in gone]})
    for task in gone:
        words = _TAKEN_BACK[marks.get(task.list_key)]
        await end_task(applying.connection, task, TaskEvent.CANCEL, reason=Reason.CANCELLED, message=words)
        await applying.connection.execute(named("list_set_digest"), {"id": task.id, "digest": None})
        applying.taken_back += 1


async def write_down(
    applying: Applying, parsed: TaskList, seen: Mapping[str, str], found: Mapping[str, Any]
) -> None:
    """``found`` has the keys in the order of the file, and how many tasks were made."""
    warnings = sorted(applying.warnings, key=lambda one: one.line)[:MAX_WARNINGS]
    done = sum(item.mark is Mark.DONE for item in parsed.items)
    await applying.connection.execute(
        named("list_read"),
        {
            "commit": seen["commit"],
            # Without it the same text is told again at the next look.
            "blob": None if applying.waits_for_people else seen["blob"],
            "project_id": applying.project.id,
            "items": len(parsed.items),
            "done": done,
            "keys": found["keys"],
            "warnings": [{"line": one.line, "message": one.message} for one in warnings],
        },
    )
    payload = {
        "items": len(parsed.items),
        "done": done,
        "created": found["created"],
        "edited": applying.edited,
        "taken_back": applying.taken_back,
        "warnings": len(warnings),
    }
    about = TaskNews(applying.project.tenant_id, applying.project.id)
    await tell(applying.connection, "automation.list-read", about, payload)


async def list_tasks(connection: AsyncConnection, project_id: str) -> dict[str, Any]:
    rows = await connection.execute(named("list_tasks"), {"project_id": project_id})
    return {row.list_key: row for row in rows}


async def list_edges(connection: AsyncConnection, project_id: str) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = defaultdict(set)
    for row in await connection.execute(named("list_edges"), {"project_id": project_id}):
        edges[row.task_id].add(row.depends_on)
    return edges
