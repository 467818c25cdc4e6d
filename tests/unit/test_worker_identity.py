"""A worker that had to enrol again is the new worker from then on, also on its disk."""

import asyncio
import json
from pathlib import Path

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from pullyard.protocol.enrolment import Credential, Enrolment
from pullyard.worker.client import CoordinatorClient
from pullyard.worker.identity import Identity
from pullyard.worker.offer import Offer
from pullyard.worker.settings import WorkerSettings

PATIENCE_SECONDS = 60


def enrolment(worker_id: str) -> httpx.Response:
    fields = {"credential_seconds": 0, "protocol_version": 2, "heartbeat_seconds": 1.0, "lease_seconds": 3.0}
    given = Enrolment(worker_id=worker_id, credential=f"of {worker_id}", **fields)
    return httpx.Response(200, content=msgspec.json.encode(given))


@pytest.mark.attack("workers: stolen tokens")
async def test_a_renewal_is_written_down_for_the_worker_that_it_is_now(tmp_path: Path) -> None:
    renewed = asyncio.Event()
    enrolments = iter([enrolment("work_1"), enrolment("work_2")])

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/enrol"):
            return next(enrolments)
        if request.url.path.endswith("/connect"):
            return httpx.Response(401, json={"code": "unauthenticated"})
        # The second one is asked for once the first was written down.
        if request.headers["authorization"] == "Bearer renewed":
            renewed.set()
        return httpx.Response(
            200, content=msgspec.json.encode(Credential(credential="renewed", credential_seconds=1))
        )

    client = CoordinatorClient("http://coordinator", transport=httpx.MockTransport(answer))
    settings = WorkerSettings(
        coordinator_url="http://coordinator", data_directory=tmp_path, enrolment_token=SecretStr("token")
    )
    identity = Identity(settings, client, {}, Offer())
    assert (await identity.connect()).worker_id == "work_1"
    fresh = asyncio.create_task(identity.keep_fresh())
    try:
        assert (await identity.connect()).worker_id == "work_2"
        async with asyncio.timeout(PATIENCE_SECONDS):
            await renewed.wait()
    finally:
        fresh.cancel()
        await asyncio.gather(fresh, return_exceptions=True)
        await client.close()
    stored = json.loads((tmp_path / "identity.json").read_bytes())
    assert (stored["worker_id"], stored["credential"]) == ("work_2", "renewed")
