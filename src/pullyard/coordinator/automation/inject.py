"""Tasks put into the queue where they are wanted, also while it is worked off."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.automation.policy import read_automation
from pullyard.coordinator.automation.wishes import wish_of
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.position import find_anchor, find_place, put_tasks
from pullyard.coordinator.tasks.read import read_task
from pullyard.coordinator.tasks.transition import lock_project
from pullyard.lifecycle.task_lists.model import ListWarning
from pullyard.lifecycle.task_lists.parse import parse_task_list
from pullyard.lifecycle.task_lists.plan import runnable
from pullyard.protocol.automation import MAX_INJECTED, Injected, Injection, ListLine, Place
from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import TaskInput, TaskSource
from pullyard.store.queries import named


@dataclass
class Injector:
    connection: AsyncConnection
    tenant_id: str
    project_id: str
    member_id: str | None

    async def inject(self, wish: Injection) -> Injected:
        """All or none. Calls at the same time come one after the other, each as a block.

        Raises NotFound for the project and for the task beside which it was to be, RequestError for a text
        without any task.
        """
        await lock_project(self.connection, self.tenant_id, self.project_id)
        anchor = await find_anchor(self.connection, self.project_id, wish.task_id)
        warnings: list[ListWarning] = []
        if wish.text is None:
            ids = [await self.make(one) for one in wish.tasks]
        else:
            ids, warnings = await self.make_from_text(wish.text)
        places = [await find_place(self.connection, self.project_id, one) for one in ids]
        if wish.place is not Place.END:
            # At the end they are already, each at the end of its priority.
            await put_tasks(self.connection, places, wish.place, anchor)
        await tell(
            self.connection,
            "automation.injected",
            TaskNews(self.tenant_id, self.project_id),
            {"tasks": ids, "place": wish.place, "beside": wish.task_id},
        )
        tasks = [await read_task(self.connection, self.tenant_id, one) for one in ids]
        return Injected(
            tasks=tasks, warnings=[ListLine(line=one.line, message=one.message) for one in warnings]
        )

    async def make(self, wish: TaskInput) -> str:
        task_id = await create_task(
            self.connection, self.tenant_id, self.project_id, wish, member_id=self.member_id
        )
        nothing = {"list_key": None, "list_digest": None, "resolves": None, "resume_from": None}
        await self.connection.execute(
            named("task_source"), {"id": task_id, "source": TaskSource.INJECT, **nothing}
        )
        return task_id

    async def make_from_text(self, text: str) -> tuple[list[str], list[ListWarning]]:
        """The ids in the order of the text."""
        parsed = parse_task_list(text)
        items, held = runnable(parsed.items)
        if not 1 <= len(items) <= MAX_INJECTED:
            raise RequestError(
                f"The text holds {len(items)} open tasks: give 1 to {MAX_INJECTED}, each as '- [ ] Title'.",
                code="no-tasks",
                details={"warnings": [f"{one.line}: {one.message}" for one in parsed.warnings[:20]]},
            )
        project = await read_automation(self.connection, self.tenant_id, self.project_id)
        made: dict[str, str] = {}
        for item in items:
            wish = wish_of(item, project.agent["name"])
            waits_for = [made[key] for key in item.after if key in made]
            made[item.key] = await self.make(wish.model_copy(update={"depends_on": waits_for}))
        in_text = [made[item.key] for item in parsed.items if item.key in made]
        return in_text, sorted([*parsed.warnings, *held], key=lambda one: one.line)
