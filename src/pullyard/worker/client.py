"""The worker's side of ``/worker/v1``: typed calls, and errors by who must act."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import msgspec
import structlog

from pullyard.lifecycle.ids import Kind, is_id
from pullyard.protocol.enrolment import Connected, ConnectRequest, Credential, Enrolment, EnrolRequest
from pullyard.protocol.errors import LostLease, ProtocolViolation, RemoteFailure, RequestError
from pullyard.protocol.versions import PROTOCOL_VERSION
from pullyard.protocol.worker import (
    Allowance,
    AskRequest,
    ClaimAnswer,
    ClaimRequest,
    Done,
    ErrandReport,
    FinishRequest,
    HeartbeatAnswer,
    HeartbeatRequest,
    KeyAnswer,
    KeyRequest,
    LogAnswer,
    PhaseReport,
    SalvageReport,
    SpendingRequest,
)
from pullyard.telemetry.tracer import current
from pullyard.worker.masking import Masker

AnswerT = TypeVar("AnswerT")
ResultT = TypeVar("ResultT")

logger = structlog.get_logger(__name__)

CALL_SECONDS = 20.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class CredentialRefused(RequestError):
    """The coordinator does not know the worker's credential any more: enrol again."""


class CoordinatorClient:
    """One connection pool to one coordinator. Safe for concurrent use."""

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=CALL_SECONDS,
            transport=transport,
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
            headers={"content-type": "application/json"},
        )
        self.credential = ""
        self.protocol_version = PROTOCOL_VERSION
        """As agreed with the coordinator; until then our own."""
        self.public_url: str | None = None
        """Where people find the coordinator, where it told that."""
        self.worker_id = ""
        """As this coordinator knows the worker."""
        self.masker = Masker()
        """Of what is told of executions and errands; the worker's start gives it the worker's secrets."""

    async def close(self) -> None:
        await self._http.aclose()

    async def enrol(self, token: str, request: EnrolRequest) -> Enrolment:
        enrolment = await self._call("/worker/v1/enrol", request, Enrolment, bearer=token)
        self.protocol_version, self.worker_id = enrolment.protocol_version, enrolment.worker_id
        self.public_url = enrolment.public_url
        return enrolment

    async def connect(self, request: ConnectRequest) -> Connected:
        connected = await self._call("/worker/v1/connect", request, Connected)
        self.protocol_version, self.worker_id = connected.protocol_version, connected.worker_id
        self.public_url = connected.public_url
        return connected

    async def renew(self) -> Credential:
        return await self._call("/worker/v1/credential", Done(), Credential)

    async def claim(self, request: ClaimRequest) -> ClaimAnswer:
        patience = request.wait_seconds + CALL_SECONDS
        return checked(await self._call("/worker/v1/claim", request, ClaimAnswer, timeout=patience))

    async def heartbeat(self, request: HeartbeatRequest, *, timeout: float) -> HeartbeatAnswer:
        return await self._call("/worker/v1/heartbeat", request, HeartbeatAnswer, timeout=timeout)

    async def phase(self, execution_id: str, report: PhaseReport) -> Done:
        return await self._call(
            f"/worker/v1/executions/{execution_id}/phase", self.masker.request(report), Done
        )

    async def ask(self, execution_id: str, request: AskRequest) -> Done:
        return await self._call(
            f"/worker/v1/executions/{execution_id}/ask", self.masker.request(request), Done
        )

    async def spending(self, execution_id: str, request: SpendingRequest) -> Allowance:
        return await self._call(f"/worker/v1/executions/{execution_id}/spending", request, Allowance)

    async def key(self, execution_id: str, request: KeyRequest) -> KeyAnswer:
        return await self._call(f"/worker/v1/executions/{execution_id}/key", request, KeyAnswer)

    async def finish(self, execution_id: str, request: FinishRequest) -> ClaimAnswer:
        path = f"/worker/v1/executions/{execution_id}/finish"
        return checked(await self._call(path, self.masker.request(request), ClaimAnswer))

    async def salvaged(self, execution_id: str, report: SalvageReport) -> Done:
        return await self._call(
            f"/worker/v1/executions/{execution_id}/salvage", self.masker.request(report), Done
        )

    async def errand(self, errand_id: str, report: ErrandReport) -> Done:
        return await self._call(f"/worker/v1/errands/{errand_id}", self.masker.request(report), Done)

    async def append_log(
        self, execution_id: str, stream: str, *, fence: int, offset: int, frame: bytes
    ) -> int:
        """Send one zstd frame; return the stream's end, also where it asks for another offset."""
        response = await self._post(
            f"/worker/v1/executions/{execution_id}/logs/{stream}?fence={fence}&offset={offset}",
            frame,
            headers={"content-type": "application/zstd"},
        )
        if response.status_code == httpx.codes.CONFLICT and _problem(response).get("code") == "log-offset":
            return msgspec.convert(_problem(response)["details"], LogAnswer).end
        _raise_for_problem(response)
        return _decode(response, LogAnswer).end

    async def _call(
        self,
        path: str,
        body: msgspec.Struct,
        answer: type[AnswerT],
        *,
        bearer: str | None = None,
        timeout: float = CALL_SECONDS,
    ) -> AnswerT:
        response = await self._post(path, msgspec.json.encode(body), bearer=bearer, timeout=timeout)
        _raise_for_problem(response)
        return _decode(response, answer)

    async def _post(
        self,
        path: str,
        content: bytes,
        *,
        bearer: str | None = None,
        timeout: float = CALL_SECONDS,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        secret = self.credential if bearer is None else bearer
        traceparent = current.get()
        traced = {} if traceparent is None else {"traceparent": traceparent}
        try:
            return await self._http.post(
                path,
                content=content,
                timeout=timeout,
                headers={"authorization": f"Bearer {secret}", **traced, **(headers or {})},
            )
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise RemoteFailure(f"The coordinator can't be reached ({said}).", retryable=True) from error


def checked(answer: ClaimAnswer) -> ClaimAnswer:
    """Raises ProtocolViolation."""
    for grant in answer.grants:
        # It becomes a directory's name, and that directory is removed at the end.
        if not is_id(grant.execution_id, Kind.EXECUTION):
            raise ProtocolViolation(
                f"The coordinator named an execution {grant.execution_id[:80]!r}.", local=False
            )
    return answer


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _raise_for_problem(response: httpx.Response) -> None:
    status = response.status_code
    if status < httpx.codes.BAD_REQUEST:
        return
    problem = _problem(response)
    code = str(problem.get("code", ""))
    detail = str(problem.get("detail") or f"The coordinator answered {status}.")
    if code == "lost-lease":
        raise LostLease
    if status == httpx.codes.UNAUTHORIZED:
        raise CredentialRefused(detail, code=code or "unauthenticated", status=status)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR or status == httpx.codes.TOO_MANY_REQUESTS:
        raise RemoteFailure(detail, retryable=True)
    raise RequestError(detail, code=code or "refused", status=status)


def _decode(response: httpx.Response, answer: type[AnswerT]) -> AnswerT:
    try:
        return msgspec.json.decode(response.content, type=answer)
    except msgspec.DecodeError as error:
        raise ProtocolViolation(
            f"The coordinator's answer can't be read ({error}); are both of the same version?", local=False
        ) from error


async def until_answered(call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Repeat a repeatable call for as long as the coordinator is away; every other error is raised."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await call()
        except RemoteFailure as failure:
            if not failure.retryable:
                raise
            logger.debug("coordinator away", problem=failure.message, pause_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
