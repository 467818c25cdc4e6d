"""A fast client of one coordinator: HTTP/1.1 kept alive, no more than a measurement needs.

httpx takes longer for a request than the coordinator does to answer it, so it would measure itself.
"""

import asyncio
import platform
import ssl
import time
from collections import deque
from typing import TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec

from bench.installation import BenchFailed
from bench.stage import LABEL, Coordinator
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.enrolment import Enrolment, EnrolRequest
from pullyard.protocol.versions import PROTOCOL_VERSION
from pullyard.protocol.worker import (
    ClaimAnswer,
    ClaimRequest,
    FinishRequest,
    Grant,
    HeartbeatAnswer,
    HeartbeatRequest,
    HeldExecution,
    PhaseReport,
)
from pullyard.worker.client import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS

QUICK = (Phase.PREPARE, Phase.IMPLEMENT)
"""The phases of an execution that rightly changes nothing."""
PATIENCE_SECONDS = 120.0
AnswerT = TypeVar("AnswerT")
encode = msgspec.json.encode


class Lost(BenchFailed):
    """The execution is another worker's by now, or nobody's."""


class Line(asyncio.Protocol):
    """One connection, one request at a time. Answers carry their length, as all of ours do."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(rest) >= length and self._answer is not None:
            self._buffer = rest[length:]
            answer, self._answer = self._answer, None
            if not answer.done():
                answer.set_result((int(head[9:12]), rest[:length]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchFailed(f"The connection was closed: {exc}"))

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Http:
    """A pool of connections that carries one bearer token."""

    def __init__(self, url: str, bearer: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._tls = ssl._create_unverified_context() if parts.scheme == "https" else None  # noqa: SLF001
        self._free: deque[Line] = deque()
        self._head = f" HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {bearer}\r\n"
        self._head += "content-type: application/json\r\n"
        self.repeated = 0
        """Requests sent again, because the coordinator was overrun and answered 503."""

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and the body."""
        head = f"{method} {path}{self._head}content-length: {len(body)}\r\n\r\n"
        while self._free and not self._free[-1].is_open:
            self._free.pop()
        line = self._free.pop() if self._free else await self._connect()
        try:
            answer = await line.ask(head.encode() + body)
        except BaseException:
            line.close()
            raise
        self._free.append(line)
        return answer

    async def post(self, path: str, body: bytes) -> bytes:
        """Repeated while the coordinator is overrun, with the pauses of a real worker.

        Raises Lost, and BenchFailed for any other answer but 200 and 201, or once patience is at its end.
        """
        pause, began = FIRST_PAUSE_SECONDS, time.monotonic()
        while True:
            status, answer = await self.ask("POST", path, body)
            if status in (200, 201):
                return answer
            if status == 409 and b'"lost-lease"' in answer:
                raise Lost(path)
            if status != 503 or time.monotonic() - began > PATIENCE_SECONDS:
                raise BenchFailed(f"POST {path} was answered {status}: {answer[:300]!r}")
            self.repeated += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> Line:
        _, line = await asyncio.get_running_loop().create_connection(
            Line, self._host, self._port, ssl=self._tls
        )
        return line

    def close(self) -> None:
        for line in self._free:
            line.close()
        self._free.clear()


class WireWorker:
    """Speaks the worker protocol and does no work."""

    def __init__(self, http: Http, worker_id: str) -> None:
        self.http = http
        self.id = worker_id
        self.held: dict[str, Grant] = {}

    async def _call(self, path: str, body: msgspec.Struct, answer: type[AnswerT]) -> AnswerT:
        return msgspec.json.decode(await self.http.post("/worker/v1" + path, encode(body)), type=answer)

    async def claim(self, slots: int = 1, wait_seconds: float = 20.0) -> list[Grant]:
        wish = ClaimRequest(request_id=uuid4().hex, slots=slots, wait_seconds=wait_seconds)
        return (await self._call("/claim", wish, ClaimAnswer)).grants

    async def beat(self) -> HeartbeatAnswer:
        held = [HeldExecution(execution_id=one.execution_id, fence=one.fence) for one in self.held.values()]
        return await self._call("/heartbeat", HeartbeatRequest(executions=held), HeartbeatAnswer)

    async def begin(self, grant: Grant, *phases: str) -> None:
        for phase in phases:
            report = msgspec.convert({"fence": grant.fence, "phase": phase}, PhaseReport)
            await self.http.post(f"/worker/v1/executions/{grant.execution_id}/phase", encode(report))

    async def append(self, grant: Grant, stream: str, offset: int, frame: bytes) -> None:
        """One zstd frame of a log; ``offset`` counts raw bytes."""
        where = f"{stream}?fence={grant.fence}&offset={offset}"
        await self.http.post(f"/worker/v1/executions/{grant.execution_id}/logs/{where}", frame)

    async def finish(
        self, grant: Grant, *phases: Phase, reason: Reason | None = None, more: bool = False
    ) -> list[Grant]:
        """``phases`` are those that the finish tells of by itself, as a quick execution's does.

        With ``more`` it asks for another execution in the place of this one, and returns what it was given.
        """
        wish = FinishRequest(
            fence=grant.fence,
            reason=reason,
            message="bench",
            phases=list(phases),
            next_request_id=uuid4().hex if more else None,
        )
        answer = await self._call(f"/executions/{grant.execution_id}/finish", wish, ClaimAnswer)
        # Not before: what a heartbeat does not name any more is taken back.
        self.held.pop(grant.execution_id, None)
        return answer.grants


async def enrol(coordinator: Coordinator, token: str, *, name: str = "bench", slots: int = 1) -> WireWorker:
    wish = EnrolRequest(
        name=name,
        protocol_versions=list(range(1, PROTOCOL_VERSION + 1)),
        software_version="0",
        labels=[LABEL],
        slots=slots,
        arch=platform.machine(),
    )
    http = Http(coordinator.url, token)
    enrolment = msgspec.json.decode(await http.post("/worker/v1/enrol", encode(wish)), type=Enrolment)
    http.close()
    return WireWorker(Http(coordinator.url, enrolment.credential), enrolment.worker_id)
