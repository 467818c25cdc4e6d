"""From POST of a task to its grant in a worker's hands: real HTTP, real Postgres, everything durable."""

import asyncio
import os
import platform
import time
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec

from bench.figures import Figure, Goal, median_ms
from bench.installation import Installation
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.enrolment import Enrolment, EnrolRequest
from pullyard.protocol.resources import ProjectInput, TokenInput
from pullyard.protocol.worker import (
    ClaimAnswer,
    ClaimRequest,
    FinishRequest,
    Grant,
    HeartbeatRequest,
    HeldExecution,
)

LABEL = "bench-wire"
GRANT_MS = Goal(5, of_value=True)
REPETITIONS = 60


async def measure(system: Installation, place: Path) -> list[Figure]:
    """A worker that speaks the protocol and does nothing else waits; a client posts; both on this machine."""
    project = system.client.add_project(
        ProjectInput.model_validate(
            {"name": "bench-grants", "repository": "/srv/none.git", "labels": [LABEL]}
        )
    )
    token = system.client.add_token(TokenInput(name="bench", kind="enrolment", seconds=600)).secret
    assert token is not None
    seconds, synced = [], []
    async with (
        httpx.AsyncClient(base_url=system.client.url) as poster,
        httpx.AsyncClient(base_url=system.client.url, timeout=60) as worker,
    ):
        poster.headers["authorization"] = f"Bearer {system.token}"
        await enrol(worker, token)
        for number in range(REPETITIONS + 10):
            seconds.append(await one_grant(poster, worker, project.id))
            synced.append(durable_writes(place))
            if number == 9:
                seconds, synced = [], []
    ordered = sorted(seconds)
    return [
        Figure(
            "POST to grant at a worker, p50",
            median_ms(seconds),
            "ms",
            "two durable 8 KiB writes",
            median_ms(synced),
            GRANT_MS,
        ),
        Figure("POST to grant at a worker, p95", ordered[int(len(ordered) * 0.95)] * 1000, "ms"),
    ]


async def enrol(worker: httpx.AsyncClient, token: str) -> None:
    wish = EnrolRequest(
        name="bench", protocol_versions=[1], software_version="0", labels=[LABEL], arch=platform.machine()
    )
    headers = {"authorization": f"Bearer {token}"}
    answer = await worker.post("/worker/v1/enrol", content=msgspec.json.encode(wish), headers=headers)
    answer.raise_for_status()
    credential = msgspec.json.decode(answer.content, type=Enrolment).credential
    worker.headers["authorization"] = f"Bearer {credential}"


async def one_grant(poster: httpx.AsyncClient, worker: httpx.AsyncClient, project_id: str) -> float:
    poll = ClaimRequest(request_id=uuid4().hex, slots=1, wait_seconds=20)
    polling = asyncio.create_task(worker.post("/worker/v1/claim", content=msgspec.json.encode(poll)))
    # The poll has to be waiting there before the task comes: that is the case that is measured.
    await asyncio.sleep(0.02)
    began = time.perf_counter()
    posting = asyncio.create_task(poster.post(f"/api/v1/projects/{project_id}/tasks", json={"title": "x"}))
    answer = await polling
    seconds = time.perf_counter() - began
    (await posting).raise_for_status()
    await end(worker, msgspec.json.decode(answer.raise_for_status().content, type=ClaimAnswer).grants[0])
    return seconds


async def end(worker: httpx.AsyncClient, grant: Grant) -> None:
    held = HeldExecution(execution_id=grant.execution_id, fence=grant.fence)
    beat = HeartbeatRequest(executions=[held])
    (await worker.post("/worker/v1/heartbeat", content=msgspec.json.encode(beat))).raise_for_status()
    finish = FinishRequest(fence=grant.fence, reason=Reason.NO_CHANGE, message="bench")
    path = f"/worker/v1/executions/{grant.execution_id}/finish"
    (await worker.post(path, content=msgspec.json.encode(finish))).raise_for_status()


def durable_writes(place: Path) -> float:
    """What the disk takes for the two commits that the way needs at least: the task's and the claim's."""
    descriptor = os.open(place / "durable", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        began = time.perf_counter()
        for _ in range(2):
            os.pwrite(descriptor, b"x" * 8192, 0)
            os.fdatasync(descriptor)
        return time.perf_counter() - began
    finally:
        os.close(descriptor)
