"""Tasks that are not wished for in words: a repository's initialization, and the response to a review."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.changes.read import read_change
from pullyard.coordinator.changes.rows import about, check_open, lock_change
from pullyard.coordinator.comparisons.guard import check_chosen
from pullyard.coordinator.events.write import tell
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.read import read_task
from pullyard.lifecycle.workflows import REPOSITORY_INITIALIZATION, REVIEW_RESPONSE
from pullyard.protocol.errors import Conflict
from pullyard.protocol.resources import Change, Task, TaskInput
from pullyard.protocol.workflows import ReviewInput
from pullyard.store.queries import named

TITLE_CHARACTERS = 500
TEXT_CHARACTERS = 100_000


async def initialize_project(
    connection: AsyncConnection, tenant_id: str, project_id: str, member_id: str | None
) -> str:
    """The id of the task. Raises NotFound for the project."""
    wish = TaskInput.model_validate(
        {"title": "Initialize the repository", "workflow": REPOSITORY_INITIALIZATION.name}
    )
    return await create_task(connection, tenant_id, project_id, wish, member_id=member_id)


async def respond_to_review(
    connection: AsyncConnection,
    tenant_id: str,
    change_id: str,
    review: ReviewInput,
    *,
    member_id: str | None,
    workflow: str = REVIEW_RESPONSE.name,
) -> str:
    """The id of a task that goes on with the change. Raises Conflict where that is not open, or in work."""
    change = await lock_change(connection, tenant_id, change_id)
    check_open(change)
    await check_chosen(connection, change.task_id)
    # Two responses would both start from the same commit, and one of them would be in vain.
    under_way = await connection.scalar(named("change_responding"), {"change_id": change_id})
    if under_way is not None:
        raise Conflict(
            "Another response to this change is under way: wait for its end, or cancel it.",
            code="response-under-way",
            details={"task_id": under_way},
        )
    shown = await read_change(connection, tenant_id, change_id)
    original = await read_task(connection, tenant_id, shown.task_id)
    wish = response_wish(shown, original, review, workflow)
    task_id = await create_task(
        connection, tenant_id, change.project_id, wish, member_id=member_id, responds_to=change_id
    )
    payload = {"change_id": change_id, "state": change.state, "response_id": task_id}
    await tell(connection, "change.responding", about(change), payload)
    return task_id


def response_wish(change: Change, original: Task, review: ReviewInput, workflow: str) -> TaskInput:
    """As the task that made the change: same agent, same proof, same needs, and as much money of its own.

    What was wanted at first is told again: to the agent, and in the text that the change has after it.
    """
    proof = original.verify_commands
    if change.repository is not None:
        proof = next(
            (one.verify_commands for one in original.repositories if one.name == change.repository), None
        )
    told = (review.text, f"The change under review: {change.title}", original.description)
    return TaskInput.model_validate(
        {
            "title": review.title or f"Respond to the review of: {change.title}"[:TITLE_CHARACTERS],
            "description": "\n\n".join(said for said in told if said)[:TEXT_CHARACTERS],
            "acceptance_criteria": original.acceptance_criteria,
            "target_files": original.target_files,
            "verify_commands": proof,
            "priority": original.priority,
            "budget_micros": original.budget_micros,
            "budget_tokens": original.budget_tokens,
            "labels": original.labels,
            "base_branch": change.base_branch,
            "agent": original.agent,
            "workflow": workflow,
        }
    )
