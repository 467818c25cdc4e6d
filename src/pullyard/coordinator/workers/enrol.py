"""A worker joins: an enrolment token becomes a short-lived credential of its own."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.auth.credentials import CredentialKind, Issued, issue
from pullyard.coordinator.events.write import TaskNews, tell
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.workflows.choose import with_needs
from pullyard.lifecycle.ids import Kind, new_id
from pullyard.lifecycle.machine import step
from pullyard.lifecycle.worker import WORKER_TRANSITIONS, WorkerEvent, WorkerState
from pullyard.protocol.enrolment import Connected, ConnectRequest, Enrolment, EnrolRequest
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.versions import OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, WORKFLOW_VERSION, agree
from pullyard.store.queries import named


def agreed_version(offered: list[int]) -> int:
    """Raises RequestError 426 that says which side to upgrade."""
    version = agree(offered)
    if version is not None:
        return version
    too_new = bool(offered) and min(offered) > PROTOCOL_VERSION
    sentence = (
        "This coordinator is older than the worker: upgrade the coordinator first."
        if too_new
        else f"This worker is too old for the coordinator: upgrade it with 'pip install --upgrade pullyard' "
        f"to a version that speaks protocol {PROTOCOL_VERSION}."
    )
    raise RequestError(
        sentence,
        code="protocol-too-new" if too_new else "protocol-too-old",
        status=426,
        details={"offered": offered[:20], "oldest": OLDEST_PROTOCOL_VERSION, "newest": PROTOCOL_VERSION},
    )


async def enrol_worker(
    connection: AsyncConnection, tenant_id: str, request: EnrolRequest, settings: CoordinatorSettings
) -> Enrolment:
    version = agreed_version(request.protocol_versions)
    worker_id = new_id(Kind.WORKER)
    await connection.execute(
        named("worker_create"),
        {
            "id": worker_id,
            "tenant_id": tenant_id,
            "name": request.name,
            "state": step("worker", WORKER_TRANSITIONS, WorkerState.OFFLINE, WorkerEvent.CONNECT),
            **measured(request, version),
            "lease_seconds": settings.lease_seconds,
        },
    )
    issued = await issue_worker_credential(connection, tenant_id, worker_id, settings)
    payload = {"worker_id": worker_id, "name": request.name, "state": WorkerState.IDLE}
    await tell(connection, "worker.enrolled", TaskNews(tenant_id), payload)
    return Enrolment(
        **terms(worker_id, version, settings),
        credential=issued.secret,
        credential_seconds=settings.worker_credential_seconds,
    )


async def connect_worker(
    connection: AsyncConnection,
    tenant_id: str,
    worker_id: str,
    request: ConnectRequest,
    settings: CoordinatorSettings,
) -> Connected:
    version = agreed_version(request.protocol_versions)
    state = await connection.scalar(named("worker_state"), {"tenant_id": tenant_id, "id": worker_id})
    if state is None:
        raise NotFound("worker")
    await connection.execute(
        named("worker_connect"),
        {
            "id": worker_id,
            "state": step("worker", WORKER_TRANSITIONS, WorkerState(state), WorkerEvent.CONNECT),
            **measured(request, version),
            "lease_seconds": settings.lease_seconds,
        },
    )
    await connection.execute(named("errands_let_go"), {"id": worker_id})
    payload = {"worker_id": worker_id, "software_version": request.software_version}
    await tell(connection, "worker.connected", TaskNews(tenant_id), payload)
    return Connected(**terms(worker_id, version, settings))


def terms(worker_id: str, version: int, settings: CoordinatorSettings) -> dict[str, Any]:
    """What a worker goes by until it connects again: the fields of ``Connected``."""
    return {
        "worker_id": worker_id,
        "protocol_version": version,
        "heartbeat_seconds": settings.heartbeat_seconds,
        "lease_seconds": settings.lease_seconds,
        "public_url": settings.public_url,
    }


async def issue_worker_credential(
    connection: AsyncConnection, tenant_id: str, worker_id: str, settings: CoordinatorSettings
) -> Issued:
    return await issue(
        connection,
        CredentialKind.WORKER,
        tenant_id=tenant_id,
        worker_id=worker_id,
        seconds=settings.worker_credential_seconds,
    )


def measured(request: ConnectRequest, version: int) -> dict[str, object]:
    if not 1 <= request.slots <= 10_000:
        raise RequestError("A worker has between 1 and 10000 slots.")
    check_labels(request.labels)
    return {
        # What a version can do is a label, so that a task that needs it is never given to an older worker.
        "labels": with_needs(request.labels, needed=version >= WORKFLOW_VERSION),
        "arch": request.arch,
        "slots": request.slots,
        "software_version": request.software_version,
        "protocol_version": version,
        "facts": request.facts,
    }


def check_labels(labels: list[str]) -> None:
    """Raises RequestError."""
    if len(labels) > 200 or any(not label or len(label) > 100 for label in labels):
        raise RequestError("A worker has at most 200 labels, of 1 to 100 characters each.")
