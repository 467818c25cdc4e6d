"""One wish becomes several tasks, each with an agent of its own."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.protocol.comparisons import ComparisonInput
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import TaskInput
from pullyard.store.queries import named


async def create_comparison(
    connection: AsyncConnection,
    tenant_id: str,
    project_id: str,
    wish: ComparisonInput,
    *,
    member_id: str | None,
) -> str:
    """Its id. All of its tasks are made or none. Raises what ``create_task`` raises, and RequestError."""
    if wish.agent is not None:
        raise RequestError("Each candidate names its own agent: leave 'agent' out.", code="agent-given")
    await lock_project(connection, tenant_id, project_id)
    comparison_id = new_id(Kind.COMPARISON)
    await connection.execute(
        named("comparison_create"),
        {
            **wish.model_dump(mode="json", include={"title", "choose", "budget_micros", "budget_tokens"}),
            "id": comparison_id,
            "tenant_id": tenant_id,
            "project_id": project_id,
            "member_id": member_id,
            "candidates": len(wish.candidates),
        },
    )
    said = wish.model_dump(mode="json", exclude={"candidates", "choose"})
    tasks = [
        await create_task(
            connection,
            tenant_id,
            project_id,
            TaskInput.model_validate({**said, **candidate.model_dump(mode="json")}),
            member_id=member_id,
            comparison_id=comparison_id,
        )
        for candidate in wish.candidates
    ]
    payload = {"comparison_id": comparison_id, "title": wish.title, "tasks": tasks}
    await tell(connection, "comparison.created", TaskNews(tenant_id, project_id), payload)
    return comparison_id
