"""Workflows, the nodes that an execution has walked, and answers to what it asks."""

from fastapi import APIRouter, Request

from pullyard.coordinator.audit.write import deed_of, record
from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.executions.answer import answer_question, read_question
from pullyard.coordinator.executions.nodes import list_nodes
from pullyard.coordinator.executions.read import read_execution
from pullyard.coordinator.news import events_written
from pullyard.coordinator.services import ServicesNeeded
from pullyard.lifecycle.workflows import WORKFLOWS
from pullyard.protocol.resources import Execution, Page
from pullyard.protocol.workflows import AnswerInput, ExecutionNode, Question, Workflow

router = APIRouter(prefix="/api/v1", tags=["workflows"])


@router.get("/workflows")
async def list_workflows(person: Person) -> Page[Workflow]:
    """Those that a task can name. A project's own nodes are not in them."""
    del person
    shown = [Workflow.model_validate(one, from_attributes=True) for one in WORKFLOWS.values()]
    return Page[Workflow](items=shown, next=None)


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
async def answer(
    execution_id: str, wish: AnswerInput, person: Person, services: ServicesNeeded, request: Request
) -> Execution:
    """Answers what the execution asks; its worker goes on within a heartbeat. Repeatable."""
    async with services.database.transaction() as connection:
        await answer_question(connection, person.tenant_id, execution_id, wish, member_id=person.member_id)
        details = {"answer": wish.answer[:500]}
        await record(connection, deed_of(request.scope, person, target=execution_id, details=details))
        execution = await read_execution(connection, person.tenant_id, execution_id)
    events_written(services)
    return execution
