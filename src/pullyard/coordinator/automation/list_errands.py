"""The coordinator never reaches the repository: workers read its task list, and write into it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.apply_list import apply_list
from pullyard.coordinator.automation.policy import policy_of, read_automation
from pullyard.coordinator.errands.create import create_errand
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.storable import storable
from pullyard.lifecycle.change import ErrandKind
from pullyard.lifecycle.task_lists.parse import parse_task_list
from pullyard.protocol.automation import TaskListState
from pullyard.protocol.errands import TaskListErrand, TaskListReport
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import Errand, ErrandReport, RepositorySpec
from pullyard.store.queries import named

WITHHELD = (
    "The project's text policy keeps its task list where the code is: allow task_list, or inject tasks."
)
MISSING = "The repository has no such file on this branch; tasks that came from it before stay as they are."
OBJECT_ID_CHARACTERS = 64


async def follow_list(connection: AsyncConnection, project: Any, path: str | None) -> None:
    """From now on the project's tasks come from this list, too; None leaves the list that it followed."""
    parameters = {"project_id": project.id, "tenant_id": project.tenant_id, "path": path}
    await connection.execute(named("list_follow" if path else "list_leave"), parameters)


async def request_list(connection: AsyncConnection, tenant_id: str, project_id: str) -> None:
    """Have the list read, and what is done checked in it; the caller holds the project's lock. Repeatable.

    Raises RequestError where the project follows no list.
    """
    project = await read_automation(connection, tenant_id, project_id)
    followed = (await connection.execute(named("list_row"), {"project_id": project_id})).one_or_none()
    if followed is None:
        raise RequestError(
            "This project follows no task list: start its automation with the list's path.",
            code="no-task-list",
            status=409,
        )
    seconds = policy_of(project).sync_seconds
    await connection.execute(named("list_due"), {"project_id": project_id, "seconds": seconds})
    if not project.text_policy.get("task_list", True):
        await tell_list(connection, project, TaskListState.WITHHELD, WITHHELD)
    elif followed.given:
        await connection.execute(named("list_again"), {"project_id": project_id, "again": True})
    elif not followed.under_way:
        unchecked = (await connection.execute(named("list_unchecked"), {"project_id": project_id})).first()
        kind = ErrandKind.WRITE_TASK_LIST if unchecked else ErrandKind.READ_TASK_LIST
        await create_errand(connection, tenant_id, project_id, kind)


async def check_merged_items(connection: AsyncConnection, tenant_id: str, project_id: str) -> None:
    """After a merge, or after the list was read: have the list told of what is done, where it is not yet."""
    followed = (await connection.execute(named("list_row"), {"project_id": project_id})).one_or_none()
    if followed is None or followed.under_way:
        return
    if (await connection.execute(named("list_unchecked"), {"project_id": project_id})).first():
        await request_list(connection, tenant_id, project_id)


async def list_errand(connection: AsyncConnection, row: Any) -> Errand:
    """What is to be checked is looked up now, so that it is everything that is done by now."""
    done: dict[str, str] = {}
    if row.kind == ErrandKind.WRITE_TASK_LIST:
        unchecked = await connection.execute(named("list_unchecked"), {"project_id": row.project_id})
        done = {task.list_key: sentence(task) for task in unchecked}
    given = {"path": row.path, "done": sorted(done)}
    await connection.execute(named("errand_given"), {"id": row.id, "given": given})
    return Errand(
        id=row.id,
        fence=row.fence,
        kind=ErrandKind(row.kind),
        repository=RepositorySpec(url=row.repository, forge=row.forge),
        # Without a path, the list was left while the errand waited; the worker refuses it.
        task_list=TaskListErrand(
            path=row.path or "", branch=row.default_branch, done=done, known_blob=row.blob
        ),
    )


def sentence(task: Any) -> str:
    day = task.finished_at.date().isoformat()
    if task.merged_commit is None:
        return f"done by task #{task.number} without a change, {day}"
    where = f", {task.url}" if task.url else ""
    return f"done by task #{task.number}, merged as {task.merged_commit[:12]}, {day}{where}"


async def list_errand_ended(
    connection: AsyncConnection, errand: Any, report: ErrandReport, message: str
) -> None:
    """Take over what the list says, and go on with what was asked for meanwhile."""
    project = await read_automation(connection, errand.tenant_id, errand.project_id)
    followed = (await connection.execute(named("list_row"), {"project_id": project.id})).one_or_none()
    if followed is None:
        return
    await connection.execute(named("list_again"), {"project_id": project.id, "again": False})
    # The project may follow another list since the worker was asked.
    is_ours = errand.given.get("path") == followed.path
    if is_ours and not report.done:
        await tell_list(connection, project, TaskListState.FAILED, message)
    elif is_ours:
        done = errand.given["done"]
        await connection.execute(named("list_checked"), {"project_id": project.id, "keys": done})
        await take_over(connection, project, report.task_list)
        await check_merged_items(connection, project.tenant_id, project.id)
    if followed.again or not is_ours:
        await request_list(connection, project.tenant_id, project.id)


async def take_over(connection: AsyncConnection, project: Any, found: TaskListReport | None) -> None:
    if found is None or found.blob is None:
        await tell_list(connection, project, TaskListState.MISSING, MISSING)
        return
    seen = {"commit": found.commit[:OBJECT_ID_CHARACTERS], "blob": found.blob[:OBJECT_ID_CHARACTERS]}
    if found.text is None:
        parameters = {"project_id": project.id, "commit": storable(seen["commit"])}
        await connection.execute(named("list_same"), parameters)
    else:
        await apply_list(connection, project, parse_task_list(storable(found.text)), storable(seen))


async def tell_list(connection: AsyncConnection, project: Any, state: TaskListState, message: str) -> None:
    """The list can't be followed now; what came from it before goes on."""
    parameters = {"project_id": project.id, "state": state, "message": message}
    await connection.execute(named("list_told"), parameters)
    about = TaskNews(project.tenant_id, project.id)
    await tell(connection, f"automation.list-{state.value}", about, {"state": state, "message": message})
