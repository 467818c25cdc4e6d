"""A real coordinator under a real uvicorn on a loopback port, over the real Postgres of ``tests.postgres``.

Import ``coordinator`` (and ``postgres_server``, ``database_url`` from ``tests.postgres``) into a test module.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

import httpx
import msgspec
import pytest
import zstandard
from pydantic import SecretStr

from pullyard.coordinator.server import Served, serve
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.protocol.enrolment import Enrolment, EnrolRequest
from pullyard.protocol.worker import (
    ClaimAnswer,
    ClaimRequest,
    Diffstat,
    FinishRequest,
    Grant,
    HeartbeatAnswer,
    HeartbeatRequest,
    HeldExecution,
    PhaseReport,
    PublishedChange,
)

AnswerT = TypeVar("AnswerT")
PATIENCE_SECONDS = 60
"""Far more than a loaded machine needs: what takes longer hangs."""
# To read the authorities anew for each client takes longer than most tests have to ask.
AUTHORITIES = httpx.create_ssl_context()
FAST: dict[str, Any] = {"caretaker_seconds": 0.05, "slow_poll_seconds": 0.5, "heartbeat_seconds": 1.0}


@dataclass
class WireWorker:
    """Speaks the worker protocol by hand; ``http`` carries its credential."""

    http: httpx.AsyncClient
    id: str
    held: list[Grant] = field(default_factory=list)

    async def post(self, path: str, body: msgspec.Struct | bytes) -> httpx.Response:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.http.post("/worker/v1" + path, content=content)

    async def ask(self, path: str, body: msgspec.Struct, shape: type[AnswerT]) -> AnswerT:
        response = await self.post(path, body)
        assert response.status_code == 200, response.text
        return msgspec.json.decode(response.content, type=shape)

    async def poll(self, *, slots: int = 1, wait: float = 0.0, request_id: str | None = None) -> ClaimAnswer:
        wish = ClaimRequest(request_id=request_id or uuid4().hex, slots=slots, wait_seconds=wait)
        return await self.ask("/claim", wish, ClaimAnswer)

    async def claim(self, wait: float = 30.0) -> Grant:
        """One grant, confirmed by a heartbeat."""
        grants = (await self.poll(wait=wait)).grants
        assert len(grants) == 1, "nothing was granted"
        self.held += grants
        await self.beat()
        return grants[0]

    async def beat(self, *held: Grant) -> HeartbeatAnswer:
        named = [HeldExecution(execution_id=one.execution_id, fence=one.fence) for one in held or self.held]
        return await self.ask("/heartbeat", HeartbeatRequest(executions=named), HeartbeatAnswer)

    async def walk(self, grant: Grant, *phases: str) -> None:
        for phase in phases:
            report = msgspec.convert({"fence": grant.fence, "phase": phase}, PhaseReport)
            response = await self.post(f"/executions/{grant.execution_id}/phase", report)
            assert response.status_code == 200, response.text

    async def finish(self, grant: Grant, **wish: Any) -> httpx.Response:
        self.held = [one for one in self.held if one.execution_id != grant.execution_id]
        request = FinishRequest(**{"fence": grant.fence, **wish})
        return await self.post(f"/executions/{grant.execution_id}/finish", request)

    async def deliver(self, grant: Grant) -> httpx.Response:
        """Walk through all phases and finish with a change."""
        await self.walk(grant, "prepare", "implement", "verify", "publish")
        return await self.finish(grant, change=change_of(grant))

    async def log(
        self, grant: Grant, data: bytes, *, offset: int = 0, stream: str = "implement"
    ) -> httpx.Response:
        path = f"/executions/{grant.execution_id}/logs/{stream}?fence={grant.fence}&offset={offset}"
        return await self.post(path, zstandard.compress(data))


def change_of(grant: Grant) -> PublishedChange:
    return PublishedChange(
        branch=grant.branch,
        base_branch="main",
        base_commit="a" * 40,
        commit="b" * 40,
        title=grant.task.title,
        body="",
        diffstat=Diffstat(files=[], additions=0, deletions=0),
        diff="--- a\n+++ b\n",
    )


@dataclass
class RunningCoordinator:
    served: Served
    token: str
    enrolment: str
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = self.client(self.token)
        """Carries an API token of the owner."""

    @property
    def url(self) -> str:
        return self.served.url

    def client(self, token: str | None = None, **options: Any) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        wanted = {"verify": AUTHORITIES, "timeout": PATIENCE_SECONDS, **options}
        client = httpx.AsyncClient(base_url=self.url, headers=headers, **wanted)
        self.clients.append(client)
        return client

    async def worker(
        self, *labels: str, slots: int = 4, protocol: int = 1, receipt_key: Any = "ed25519:wire"
    ) -> WireWorker:
        """``protocol`` is the newest version that it speaks."""
        request = EnrolRequest(
            name="wire",
            protocol_versions=list(range(1, protocol + 1)),
            software_version="0",
            labels=list(labels),
            slots=slots,
            facts={"receipt_key": receipt_key},
        )
        answer = await self.client(self.enrolment).post(
            "/worker/v1/enrol", content=msgspec.json.encode(request)
        )
        assert answer.status_code == 200, answer.text
        enrolment = msgspec.json.decode(answer.content, type=Enrolment)
        return WireWorker(self.client(enrolment.credential), enrolment.worker_id)

    async def post(self, path: str, body: Any = None, status: int = 201) -> dict[str, Any]:
        answer = await self.http.post("/api/v1" + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, path: str) -> dict[str, Any]:
        answer = await self.http.get("/api/v1" + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def project(self, **fields: Any) -> str:
        body = {"name": uuid4().hex, "repository": "/srv/example.git", **fields}
        return (await self.post("/projects", body))["id"]

    async def task(self, project_id: str, **fields: Any) -> dict[str, Any]:
        return await self.post(f"/projects/{project_id}/tasks", {"title": "Mend it", **fields})

    async def events(self, project_id: str | None = None) -> list[dict[str, Any]]:
        """All that happened until now, a project's alone where one is named.

        The feed holds back what is committed while an older transaction of the server runs, so this
        reads on to a marker of its own.
        """
        marker, events, cursor = await self.project(), list[dict[str, Any]](), 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not events or events[-1]["project_id"] != marker:
                page = await self.get(f"/events?cursor={cursor}&limit=500&wait=5")
                events += page["items"]
                cursor = int(page["next"])
        return [event for event in events if project_id in (None, event["project_id"])]

    async def until_task(self, task_id: str, state: str) -> dict[str, Any]:
        """Waits on the event feed until the task is in ``state``."""
        cursor = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                task = await self.get(f"/tasks/{task_id}")
                if task["state"] == state:
                    return task
                page = await self.get(f"/events?cursor={cursor}&limit=500&wait=5")
                cursor = int(page["next"])


@asynccontextmanager
async def running_coordinator(database_url: str, **settings: Any) -> AsyncIterator[RunningCoordinator]:
    """In the test's own event loop; ``settings`` go over the fast ones."""
    started: asyncio.Future[Served] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    wanted = CoordinatorSettings(port=0, database_url=SecretStr(database_url), **{**FAST, **settings})
    running = asyncio.create_task(serve(wanted, started=started.set_result, stop=stop))
    await asyncio.wait((running, started), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    served = await started
    token = await served.api_token("tests")
    coordinator = RunningCoordinator(served, token, await served.enrolment_token())
    try:
        yield coordinator
    finally:
        stop.set()
        await running
        for client in coordinator.clients:
            await client.aclose()


@pytest.fixture
async def coordinator(database_url: str) -> AsyncIterator[RunningCoordinator]:
    async with running_coordinator(database_url) as running:
        yield running
