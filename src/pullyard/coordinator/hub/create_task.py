"""A task asked for over the WebSocket: as over HTTP, with the same checks, record and keys."""

import structlog
from starlette.requests import Request
from starlette.websockets import WebSocket

from pullyard.coordinator.audit.write import Deed, record
from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.idempotency.stored import Answer, KeyedRequest, check_key, exactly_once
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.problems import answer_for
from pullyard.coordinator.services import Services
from pullyard.coordinator.tasks.create import create_task
from pullyard.coordinator.tasks.read import read_task
from pullyard.protocol.resources import Problem, Task
from pullyard.protocol.stream import CreateTask, StreamError, TaskCreated

FAULT = Problem(
    title="", status=500, detail="This is a fault of the coordinator; its log says more.", code="internal"
)
logger = structlog.get_logger(__name__)


async def create_over_socket(
    socket: WebSocket, services: Services, caller: Principal, wish: CreateTask
) -> bytes:
    """The message that answers. A refusal is told in the words that HTTP has for it; nothing is raised."""
    try:
        if wish.idempotency_key is None:
            task = await create(socket, services, caller, wish)
        else:
            task = await create_once(socket, services, caller, wish)
    except Exception as error:
        # The boundary of this request: what it did wrong is its answer, and the connection goes on.
        problem = await answer_for(Request({**socket.scope, "type": "http"}), error)
        if problem is None:
            logger.exception("a bug in a task over the socket")
            said = FAULT
        else:
            said = Problem.model_validate_json(bytes(problem.body))
        refusal = StreamError(request_id=wish.request_id, code=said.code, message=said.detail)
        return refusal.model_dump_json().encode()
    return TaskCreated(request_id=wish.request_id, task=task).model_dump_json().encode()


async def create(socket: WebSocket, services: Services, caller: Principal, wish: CreateTask) -> Task:
    async with services.database.transaction() as connection:
        task_id = await create_task(
            connection, caller.tenant_id, wish.project_id, wish.task, member_id=caller.member_id
        )
        deed = Deed(
            caller=caller,
            action="create-task over /api/v1/stream",
            target=task_id,
            project_id=wish.project_id,
            address=socket.client.host if socket.client else "",
            details={"fields": sorted(wish.task.model_fields_set)},
        )
        await record(connection, deed)
    # The claim begins while the answer is still being read.
    queue_changed(services)
    async with services.database.transaction() as connection:
        return await read_task(connection, caller.tenant_id, task_id)


async def create_once(socket: WebSocket, services: Services, caller: Principal, wish: CreateTask) -> Task:
    keyed = KeyedRequest(
        tenant_id=caller.tenant_id,
        caller=caller.member_id or caller.credential_id,
        # The route of the same request over HTTP: one key makes one task, whichever way it comes.
        route=f"POST /api/v1/projects/{wish.project_id}/tasks?",
        key=check_key(wish.idempotency_key or ""),
        content=(wish.task.model_dump_json(exclude_unset=True).encode(),),
    )

    async def act() -> Answer:
        task = await create(socket, services, caller, wish)
        return Answer(201, task.model_dump_json().encode())

    answer, _ = await exactly_once(services, keyed, act)
    return Task.model_validate_json(answer.body)
