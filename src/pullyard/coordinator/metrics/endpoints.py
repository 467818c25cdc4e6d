"""``/metrics`` for Prometheus, of this one replica; ``/api/v1/queue`` for whatever scales workers."""

import secrets

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from pullyard.coordinator.auth.identify import Person, Unauthenticated, bearer, person
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.protocol.resources import QueueState
from pullyard.store.queries import named

metrics = APIRouter(include_in_schema=False)
queue = APIRouter(prefix="/api/v1", tags=["queue"])

COUNTED_AT_MOST = 100_000


@metrics.get("/metrics")
async def show_metrics(request: Request, services: ServicesNeeded) -> Response:
    await admit(request, services)
    await services.state.look(services)
    return Response(generate_latest(services.metrics.catalogue.registry), media_type=CONTENT_TYPE_LATEST)


async def admit(request: Request, services: Services) -> None:
    """The numbers are of all tenants together, so another tenant's token is not enough.

    A request from this machine is not either: behind a proxy every request is one.
    """
    settings = services.settings
    if settings.metrics_public:
        return
    secret = bearer(request)
    wanted = settings.metrics_token
    # Bytes, because a comparison in constant time takes no other text than ASCII.
    if secret and wanted and secrets.compare_digest(secret.encode(), wanted.get_secret_value().encode()):
        return
    if (await person(request)).tenant_id != services.owner.tenant_id:
        raise Unauthenticated


@queue.get("/queue")
async def show_queue(caller: Person, services: ServicesNeeded) -> QueueState:
    """How much there is to do now, in all and by labels: what a scaler of workers needs to know."""
    async with services.database.transaction() as connection:
        row = (
            await connection.execute(
                named("queue_state"), {"tenant_id": caller.tenant_id, "counted_at_most": COUNTED_AT_MOST}
            )
        ).one()
    return QueueState(
        queued=row.queued,
        claimable=row.claimable,
        running=row.running,
        wanted=row.claimable + row.running,
        lanes=row.lanes,
    )
