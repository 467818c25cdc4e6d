"""``/worker/v1``: plain Starlette routes and msgspec, because these are called most."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.contextvars import bind_contextvars

from pullyard.coordinator.auth.credentials import CredentialKind
from pullyard.coordinator.auth.identify import Unauthenticated, bearer, worker
from pullyard.coordinator.costs.quota import close_windows
from pullyard.coordinator.costs.spending import hear_held, hear_request
from pullyard.coordinator.errands.report import report_errand
from pullyard.coordinator.executions.answer import ask_person
from pullyard.coordinator.executions.finish import finish_execution
from pullyard.coordinator.executions.phase import begin_phase
from pullyard.coordinator.executions.poll import check_request_id, given_again, poll_for_work
from pullyard.coordinator.executions.requeue import take_back
from pullyard.coordinator.executions.salvaged import note_salvage
from pullyard.coordinator.logs.append import append_log
from pullyard.coordinator.news import errands_changed, events_written, log_grew, queue_changed
from pullyard.coordinator.secrets.keys import key_for
from pullyard.coordinator.services import services_of
from pullyard.coordinator.workers.enrol import connect_worker, enrol_worker, issue_worker_credential
from pullyard.coordinator.workers.heartbeat import beat
from pullyard.coordinator.workers.quarantine import is_strike, judge_worker
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.enrolment import ConnectRequest, Credential, EnrolRequest
from pullyard.protocol.errors import RequestError
from pullyard.protocol.worker import (
    AskRequest,
    ClaimRequest,
    Done,
    ErrandReport,
    FinishRequest,
    HeartbeatRequest,
    KeyRequest,
    LogAnswer,
    PhaseReport,
    SalvageReport,
    SpendingRequest,
)

StructT = TypeVar("StructT", bound=msgspec.Struct)
logger = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


async def read(request: Request, shape: type[StructT]) -> StructT:
    """Raises DecodeError where the body is not JSON, ValidationError where it has another shape."""
    return msgspec.json.decode(await request.body(), type=shape)


def answer(body: msgspec.Struct) -> Response:
    return Response(_encode(body), media_type="application/json")


async def enrol(request: Request) -> Response:
    services = services_of(request)
    principal = await services.authenticator.identify(bearer(request) or "")
    if principal.kind is not CredentialKind.ENROLMENT:
        raise Unauthenticated
    wish = await read(request, EnrolRequest)
    async with services.database.transaction() as connection:
        enrolment = await enrol_worker(connection, principal.tenant_id, wish, services.settings)
    events_written(services)
    return answer(enrolment)


async def connect(request: Request) -> Response:
    services = services_of(request)
    tenant_id, worker_id = await worker(request)
    wish = await read(request, ConnectRequest)
    async with services.database.transaction() as connection:
        connected = await connect_worker(connection, tenant_id, worker_id, wish, services.settings)
    events_written(services)
    return answer(connected)


async def renew(request: Request) -> Response:
    """The old credential goes on until it expires, so that an answer that got lost locks nobody out."""
    services = services_of(request)
    tenant_id, worker_id = await worker(request)
    async with services.database.transaction() as connection:
        issued = await issue_worker_credential(connection, tenant_id, worker_id, services.settings)
    seconds = services.settings.worker_credential_seconds
    return answer(Credential(credential=issued.secret, credential_seconds=seconds))


async def claim(request: Request) -> Response:
    tenant_id, worker_id = await worker(request)
    wish = await read(request, ClaimRequest)
    return answer(await poll_for_work(request, tenant_id, worker_id, wish))


async def heartbeat(request: Request) -> Response:
    services = services_of(request)
    tenant_id, worker_id = await worker(request)
    wish = await read(request, HeartbeatRequest)
    reached("heartbeat-before-commit")
    result = await beat(services, tenant_id, worker_id, wish)
    reached("heartbeat-after-commit")
    services.metrics.heartbeats.inc()
    for execution_id in result.forgotten:
        async with services.database.transaction() as connection:
            await take_back(connection, tenant_id, execution_id, "Its worker does not know it any more.")
        queue_changed(services)
    if any(one.spending for one in wish.executions):
        result.answer.allowances = await hear_held(services, tenant_id, worker_id, wish.executions)
    await close_windows(services, tenant_id, worker_id, wish.quota)
    return answer(result.answer)


async def phase(request: Request) -> Response:
    await fenced(request, PhaseReport, begin_phase)
    reached("phase-after-commit")
    events_written(services_of(request))
    return answer(Done())


async def ask(request: Request) -> Response:
    await fenced(request, AskRequest, ask_person)
    events_written(services_of(request))
    return answer(Done())


async def spending(request: Request) -> Response:
    tenant_id, worker_id = await worker(request)
    wish = await read(request, SpendingRequest)
    return answer(
        await hear_request(services_of(request), tenant_id, worker_id, request.path_params["id"], wish)
    )


async def key(request: Request) -> Response:
    tenant_id, worker_id = await worker(request)
    wish = await read(request, KeyRequest)
    async with services_of(request).database.transaction() as connection:
        return answer(await key_for(connection, tenant_id, worker_id, request.path_params["id"], wish))


async def finish(request: Request) -> Response:
    services = services_of(request)
    tenant_id, worker_id = await worker(request)
    execution_id = request.path_params["id"]
    wish = await read(request, FinishRequest)
    if wish.next_request_id is not None:
        check_request_id(wish.next_request_id)
    written = await services.finishes.write(tenant_id, worker_id, execution_id, wish)
    if written is not None:
        ended = written.ended
        bind_contextvars(
            correlation_id=ended.correlation_id,
            project_id=ended.project_id,
            task_id=ended.task_id,
            execution_id=execution_id,
        )
        logger.info("worker reported", report="FinishRequest", ended="succeeded")
        return answer(written.given)
    report = await fenced(request, FinishRequest, finish_execution)
    reached("finish-after-commit")
    if is_strike(report.reason):
        await judge_worker(services, tenant_id, worker_id)
    # The project's limit has room again, a dependent may be queued, or this task has to wait.
    queue_changed(services)
    services.caretakers.wake()
    return answer(await given_again(services, tenant_id, worker_id, wish.next_request_id))


async def salvaged(request: Request) -> Response:
    await fenced(request, SalvageReport, note_salvage)
    events_written(services_of(request))
    return answer(Done())


async def errand(request: Request) -> Response:
    await fenced(request, ErrandReport, report_errand)
    services = services_of(request)
    # A task list that was read may have made tasks, and a merge may have made something to be written there.
    queue_changed(services)
    errands_changed(services)
    return answer(Done())


async def fenced(
    request: Request,
    shape: type[StructT],
    act: Callable[[Any, str, str, str, StructT], Awaitable[None]],
) -> StructT:
    """What the worker reported, once it is committed."""
    services = services_of(request)
    tenant_id, worker_id = await worker(request)
    target_id = request.path_params["id"]
    kind = "errand_id" if shape is ErrandReport else "execution_id"
    wish = await read(request, shape)
    bind_contextvars(**{kind: target_id}, **phase_of(wish))
    async with services.database.transaction() as connection:
        await act(connection, tenant_id, worker_id, target_id, wish)
    logger.info("worker reported", report=shape.__name__, **said(wish))
    return wish


def phase_of(report: msgspec.Struct) -> dict[str, str]:
    return {"phase": report.phase.value} if isinstance(report, PhaseReport) else {}


def said(report: msgspec.Struct) -> dict[str, str | bool]:
    """What a report decides, for the log: never its text, which an agent may have written."""
    match report:
        case FinishRequest():
            return {"ended": report.reason.value if report.reason else "succeeded"}
        case ErrandReport():
            return {"done": report.done}
        case _:
            return {}


async def append(request: Request) -> Response:
    services = services_of(request)
    tenant_id, worker_id = await worker(request)
    try:
        fence, offset = int(request.query_params["fence"]), int(request.query_params["offset"])
    except (KeyError, ValueError) as error:
        raise RequestError("A log frame needs the numbers `fence` and `offset`.") from error
    execution_id = request.path_params["id"]
    # A stream is named after the phase that writes it.
    structlog.contextvars.bind_contextvars(execution_id=execution_id, phase=request.path_params["stream"])
    frame = await request.body()
    stream = request.path_params["stream"]
    end = await append_log(
        services,
        (tenant_id, worker_id, execution_id),
        stream=stream,
        fence=fence,
        offset=offset,
        frame=frame,
    )
    services.metrics.log_taken(end - offset, len(frame))
    log_grew(services, execution_id, stream, offset=offset, end=end, frame=frame)
    return answer(LogAnswer(end=end))


ROUTES = [
    Route("/worker/v1/enrol", enrol, methods=["POST"]),
    Route("/worker/v1/connect", connect, methods=["POST"]),
    Route("/worker/v1/credential", renew, methods=["POST"]),
    Route("/worker/v1/claim", claim, methods=["POST"]),
    Route("/worker/v1/heartbeat", heartbeat, methods=["POST"]),
    Route("/worker/v1/executions/{id}/phase", phase, methods=["POST"]),
    Route("/worker/v1/executions/{id}/ask", ask, methods=["POST"]),
    Route("/worker/v1/executions/{id}/spending", spending, methods=["POST"]),
    Route("/worker/v1/executions/{id}/key", key, methods=["POST"]),
    Route("/worker/v1/executions/{id}/finish", finish, methods=["POST"]),
    Route("/worker/v1/executions/{id}/salvage", salvaged, methods=["POST"]),
    Route("/worker/v1/executions/{id}/logs/{stream}", append, methods=["POST"]),
    Route("/worker/v1/errands/{id}", errand, methods=["POST"]),
]
