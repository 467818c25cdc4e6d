"""Workflows, the nodes that an execution has walked, and answers to what it asks."""

from fastapi import APIRouter, Response

from pullyard.coordinator.audit.write import note
from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.edits import set_etag
from pullyard.coordinator.executions.answer import answer_question, read_question
from pullyard.coordinator.executions.nodes import list_nodes
from pullyard.coordinator.executions.read import read_execution
from pullyard.coordinator.news import events_written, queue_changed
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.coordinator.tasks.read import read_task
from pullyard.coordinator.workflows.requests import initialize_project, respond_to_review
from pullyard.lifecycle.workflows import CHOICES, WORKFLOWS
from pullyard.protocol.resources import Execution, Page, Task
from pullyard.protocol.workflows import AnswerInput, ExecutionNode, Question, ReviewInput, Workflow
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1", tags=["workflows"])


@router.get("/workflows")
async def list_workflows(person: Person) -> Page[Workflow]:
    """Those that a task can name. A project's own nodes are not in them."""
    del person
    shown = [Workflow.model_validate(one, from_attributes=True) for one in WORKFLOWS.values()]
    return Page[Workflow](items=shown, next=None)


@router.post("/projects/{project_id}/initialize", status_code=201)
async def initialize(project_id: str, person: Person, services: ServicesNeeded, response: Response) -> Task:
    """Makes a task that looks at the repository and offers a change with a task list; it needs no model.

    What was found out is in the facts of its execution.
    """
    async with services.database.transaction() as connection:
        task_id = await initialize_project(connection, person.tenant_id, project_id, person.member_id)
        task = await read_task(connection, person.tenant_id, task_id)
    return made(services, response, task)


@router.post("/changes/{change_id}/respond", status_code=201)
async def respond(
    change_id: str,
    review: ReviewInput,
    person: Person,
    services: ServicesNeeded,
    response: Response,
) -> Task:
    """Makes a task whose agent goes on with the change and whose work is added to the change's branch."""
    async with services.database.transaction() as connection:
        task_id = await respond_to_review(
            connection, person.tenant_id, change_id, review, member_id=person.member_id
        )
        await connection.execute(named("change_rounds_anew"), {"change_id": change_id})
        task = await read_task(connection, person.tenant_id, task_id)
    return made(services, response, task)


def made(services: Services, response: Response, task: Task) -> Task:
    queue_changed(services)
    set_etag(response, task.version)
    response.headers["location"] = f"/api/v1/tasks/{task.id}"
    return task


@router.get("/executions/{execution_id}/nodes")
async def nodes(execution_id: str, person: Person, services: ServicesNeeded) -> Page[ExecutionNode]:
    """Every attempt at a node of the workflow, on one page.

    Empty for the executions of a worker that speaks protocol version 1: it tells of phases only.
    """
    async with services.database.transaction() as connection:
        await read_execution(connection, person.tenant_id, execution_id)
        found = await list_nodes(connection, person.tenant_id, execution_id)
    return Page[ExecutionNode](items=found, next=None)


@router.get("/executions/{execution_id}/question")
async def question(execution_id: str, person: Person, services: ServicesNeeded) -> Question:
    """The newest question, with the work that it is about; 404 where nothing was asked."""
    async with services.database.transaction() as connection:
        return await read_question(connection, person.tenant_id, execution_id)


@router.post("/executions/{execution_id}/answer")
async def answer(execution_id: str, wish: AnswerInput, person: Person, services: ServicesNeeded) -> Execution:
    """Answers what the execution asks; its worker goes on within a heartbeat. Repeatable."""
    async with services.database.transaction() as connection:
        await answer_question(connection, person.tenant_id, execution_id, wish, member_id=person.member_id)
        if wish.answer in CHOICES:
            # Other words may hold a secret, and what is on record here is never removed.
            note(answer=wish.answer)
        execution = await read_execution(connection, person.tenant_id, execution_id)
    events_written(services)
    return execution
