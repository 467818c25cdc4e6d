"""Workers: where the work is done."""

from fastapi import APIRouter

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.news import credentials_revoked, events_written, queue_changed
from pullyard.coordinator.paging import Cursor, Limit, before, page
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.coordinator.workers.control import move_worker, revoke_worker
from pullyard.coordinator.workers.read import list_workers, read_worker, worker_resource
from pullyard.lifecycle.worker import WorkerEvent
from pullyard.protocol.resources import Page, Worker

router = APIRouter(prefix="/api/v1/workers", tags=["workers"])


@router.get("")
async def list_all(
    person: Person, services: ServicesNeeded, cursor: Cursor = None, limit: Limit = 50
) -> Page[Worker]:
    async with services.database.transaction() as connection:
        rows = await list_workers(connection, person.tenant_id, before_id=before(cursor), limit=limit + 1)
    return page(rows, limit, worker_resource)


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


@router.post("/{worker_id}/revoke")
async def revoke(worker_id: str, person: Person, services: ServicesNeeded) -> Worker:
    """Its credential stops working at once and its executions go back into the queue."""
    async with services.database.transaction() as connection:
        await revoke_worker(connection, person.tenant_id, worker_id)
        worker = await read_worker(connection, person.tenant_id, worker_id)
    credentials_revoked(services)
    queue_changed(services)
    return worker


async def move(services: Services, tenant_id: str, worker_id: str, event: WorkerEvent) -> Worker:
    async with services.database.transaction() as connection:
        await move_worker(connection, tenant_id, worker_id, event)
        worker = await read_worker(connection, tenant_id, worker_id)
    events_written(services)
    return worker
