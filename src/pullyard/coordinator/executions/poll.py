"""The claim's long-poll: what was given before and not confirmed, else what comes within the time."""

import asyncio
from typing import Any

from starlette.requests import Request

from pullyard.coordinator.executions.claim import build_grant
from pullyard.coordinator.executions.dispatcher import Waiter
from pullyard.coordinator.services import Services, services_of
from pullyard.protocol.errors import NotFound, RequestError
from pullyard.protocol.worker import ClaimAnswer, ClaimRequest, Grant

MAX_WAIT_SECONDS = 60.0


async def poll_for_work(request: Request, tenant_id: str, worker_id: str, wish: ClaimRequest) -> ClaimAnswer:
    """An empty answer when the time is over, the caller is gone or the coordinator stops."""
    services = services_of(request)
    check_request_id(wish.request_id)
    waiter = Waiter(tenant_id, worker_id, wish.request_id)
    async with services.dispatcher.waiting(waiter) as given:
        # A claim for this question's first connection may be under way. What it has committed is found here,
        # and what it commits later is handed to this waiter, which until then asks for nothing more.
        rows = await look(services, tenant_id, worker_id, wish.request_id)
        if grants := granted_before(rows):
            errands = given.result().errands if given.done() else []
            return ClaimAnswer(grants=grants, errands=errands)
        # Whether the worker may take work at all is asked again by the claim itself.
        waiter.labels, waiter.slots = tuple(rows[0].labels), max(0, min(wish.slots, rows[0].slots))
        waiter.protocol_version = rows[0].protocol_version
        # It was waiting before it was known which errands it understands.
        services.dispatcher.wake(errands=rows[0].errands_open)
        # One future for the answer, the time, the hang-up and the coordinator's end: each one more would
        # cost a round of the event loop between the grant and its answer.
        gone = asyncio.ensure_future(give_up_with(request, waiter))
        seconds = max(0.0, min(wish.wait_seconds, MAX_WAIT_SECONDS))
        late = asyncio.get_running_loop().call_later(seconds, waiter.give_up)
        try:
            return await given
        finally:
            late.cancel()
            gone.cancel()


async def given_again(
    services: Services, tenant_id: str, worker_id: str, request_id: str | None
) -> ClaimAnswer:
    """What this request was given before and may never have arrived; nothing is claimed."""
    if request_id is None:
        return ClaimAnswer()
    return ClaimAnswer(grants=granted_before(await look(services, tenant_id, worker_id, request_id)))


async def look(services: Services, tenant_id: str, worker_id: str, request_id: str) -> list[Any]:
    """At least one row, with the worker and perhaps a grant. Raises NotFound."""
    about = {"tenant_id": tenant_id, "worker_id": worker_id, "request_id": request_id}
    rows = await services.database.hot.fetch("poll", about)
    if not rows:
        raise NotFound("worker")
    return list(rows)


def granted_before(rows: list[Any]) -> list[Grant]:
    return [build_grant(row) for row in rows if row.execution_id is not None]


def check_request_id(request_id: str) -> None:
    if not 1 <= len(request_id) <= 200 or "\x00" in request_id:
        raise RequestError("A claim's request_id has 1 to 200 characters.")


async def give_up_with(request: Request, waiter: Waiter) -> None:
    """When the caller has hung up; the body is read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    waiter.give_up()
