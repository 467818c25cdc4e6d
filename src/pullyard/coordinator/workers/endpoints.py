"""Workers: where the work is done."""

from typing import Annotated

from fastapi import APIRouter, Query

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.news import credentials_revoked, queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.reasons import said_by_person
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.coordinator.workers.control import move_worker, remove_worker, requeue_all, revoke_worker
from pullyard.coordinator.workers.read import (
    list_receipt_keys,
    list_workers,
    read_worker,
    receipt_key_resource,
    worker_resource,
)
from pullyard.lifecycle.worker import WorkerEvent
from pullyard.protocol.resources import Intervention, Page, QuarantineWish, ReceiptKey, Worker

router = APIRouter(prefix="/api/v1/workers", tags=["workers"])


@router.get("")
async def list_all(
    person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[Worker]:
    async with services.database.transaction() as connection:
        rows = await list_workers(connection, person.tenant_id, before_id=before(cursor), limit=limit + 1)
    return page(rows, limit, worker_resource)


@router.get("/receipt-keys")
async def list_keys(
    person: Person,
    services: ServicesNeeded,
    key: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[ReceiptKey]:
    """What workers sign receipts with, those too that are shown no more: receipts outlive their workers.

    `key` is for finding whose a key is.
    """
    async with services.database.transaction() as connection:
        rows = await list_receipt_keys(
            connection, person.tenant_id, key=key, before_id=before(cursor), limit=limit + 1
        )
    return page(rows, limit, receipt_key_resource)


@router.get("/{worker_id}")
async def show(worker_id: str, person: Person, services: ServicesNeeded) -> Worker:
    async with services.database.transaction() as connection:
        return await read_worker(connection, person.tenant_id, worker_id)


@router.post("/{worker_id}/drain")
async def drain(worker_id: str, person: Person, services: ServicesNeeded) -> Worker:
    """It finishes what it has and takes nothing new."""
    return await move(services, person.tenant_id, worker_id, WorkerEvent.DRAIN)


@router.post("/{worker_id}/resume")
async def resume(worker_id: str, person: Person, services: ServicesNeeded) -> Worker:
    return await move(services, person.tenant_id, worker_id, WorkerEvent.RESUME)


@router.post("/{worker_id}/quarantine")
async def quarantine(
    worker_id: str, person: Person, services: ServicesNeeded, wish: QuarantineWish | None = None
) -> Worker:
    """It is given nothing more until it is released. What it runs goes on, unless `take_back` is true."""
    wish = wish or QuarantineWish()
    said = said_by_person(wish)
    async with services.database.transaction() as connection:
        if wish.take_back:
            await requeue_all(connection, person.tenant_id, worker_id, said)
        await move_worker(connection, person.tenant_id, worker_id, WorkerEvent.QUARANTINE, reason=wish.reason)
        worker = await read_worker(connection, person.tenant_id, worker_id)
    queue_changed(services)
    return worker


@router.post("/{worker_id}/release")
async def release(worker_id: str, person: Person, services: ServicesNeeded) -> Worker:
    """Ends its quarantine; it is idle or busy again with its next heartbeat."""
    return await move(services, person.tenant_id, worker_id, WorkerEvent.RELEASE)


@router.post("/{worker_id}/requeue")
async def requeue(
    worker_id: str, person: Person, services: ServicesNeeded, wish: Intervention | None = None
) -> Worker:
    """Takes all its executions from it, which it saves; their tasks are queued again. No try is used up."""
    async with services.database.transaction() as connection:
        await requeue_all(connection, person.tenant_id, worker_id, said_by_person(wish))
        worker = await read_worker(connection, person.tenant_id, worker_id)
    queue_changed(services)
    return worker


@router.post("/{worker_id}/revoke")
async def revoke(worker_id: str, person: Person, services: ServicesNeeded) -> Worker:
    """Its credential stops working at once and its executions go back into the queue."""
    async with services.database.transaction() as connection:
        await revoke_worker(connection, person.tenant_id, worker_id)
        worker = await read_worker(connection, person.tenant_id, worker_id)
    credentials_revoked(services)
    queue_changed(services)
    return worker


@router.delete("/{worker_id}", status_code=204)
async def remove(worker_id: str, person: Person, services: ServicesNeeded) -> None:
    """As revoke, and it is not shown any more."""
    async with services.database.transaction() as connection:
        await remove_worker(connection, person.tenant_id, worker_id)
    credentials_revoked(services)
    queue_changed(services)


async def move(services: Services, tenant_id: str, worker_id: str, event: WorkerEvent) -> Worker:
    async with services.database.transaction() as connection:
        await move_worker(connection, tenant_id, worker_id, event)
        worker = await read_worker(connection, tenant_id, worker_id)
    queue_changed(services)
    return worker
