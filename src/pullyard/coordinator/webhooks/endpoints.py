"""Where forges send what happens. The signature of the raw body is the only credential."""

import secrets
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy.exc import IntegrityError
from starlette.responses import JSONResponse

from pullyard.coordinator.news import errands_changed, queue_changed
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.coordinator.webhooks.receive import Outcome, hook_of, receive
from pullyard.coordinator.webhooks.registry import READERS
from pullyard.lifecycle.ids import Kind, is_id
from pullyard.protocol.errors import RequestError
from pullyard.store.errors import NO_SUCH_ROW, sqlstate_of
from pullyard.store.queries import named

router = APIRouter(prefix="/webhooks/v1", include_in_schema=False)
# Compared with where there is no such webhook, so that it takes as long.
_NOBODYS = secrets.token_urlsafe(32)


class NotSigned(RequestError):
    """One shape for every way of not being known, so that nothing can be learnt from it."""

    def __init__(self) -> None:
        super().__init__(
            "No webhook here has this address and this signature.", code="invalid-signature", status=401
        )


class TooOften(RequestError):
    def __init__(self) -> None:
        super().__init__(
            "Too many requests without a signature; wait a minute.", code="too-often", status=429
        )


@router.post("/{webhook_id}")
async def deliver(webhook_id: str, request: Request, services: ServicesNeeded) -> JSONResponse:
    """Answered once all that comes of it is committed."""
    if not is_id(webhook_id, Kind.WEBHOOK):
        raise NotSigned
    failures = services.webhook_failures
    address = request.client.host if request.client else ""
    key, nobody = (address, webhook_id), (address, "")
    if failures.too_many(key):
        raise TooOften
    async with services.database.transaction() as connection:
        row = (await connection.execute(named("webhook_find"), {"id": webhook_id})).one_or_none()
    # Ids that are made up count together; that holds up none that is real and comes with its signature.
    guessed_much = failures.too_many(nobody)
    if row is None and guessed_much:
        raise TooOften
    body = await request.body() if row is not None else await pass_over(request)
    if is_signed(row, request, body):
        return await take(services, row, request, body)
    failures.count(key if row is not None else nobody)
    await note_refusal(services, row)
    raise TooOften if guessed_much else NotSigned


async def pass_over(request: Request) -> bytes:
    """A stranger's words take no memory."""
    async for _ in request.stream():
        pass
    return b""


def is_signed(row: Any, request: Request, body: bytes) -> bool:
    reader = READERS[row.forge if row is not None else "github"]
    signed = reader.is_signed(request.headers, body, row.secret if row is not None else _NOBODYS)
    return signed and row is not None


async def note_refusal(services: Services, row: Any) -> None:
    """For the people of the webhook's project, once in a while."""
    if row is not None and services.webhook_failures.is_to_note(row.id):
        async with services.database.transaction() as connection:
            await connection.execute(named("webhook_refused"), {"id": row.id})


async def take(services: Services, row: Any, request: Request, body: bytes) -> JSONResponse:
    hook = hook_of(row, services.settings.change_look_seconds)
    try:
        async with services.database.transaction() as connection:
            outcome = await receive(connection, hook, request.headers, body)
    except IntegrityError as error:
        if sqlstate_of(error) != NO_SUCH_ROW:
            raise
        # It was removed while its body was read.
        raise NotSigned from error
    queue_changed(services)
    errands_changed(services)
    return answer(outcome)


def answer(outcome: Outcome) -> JSONResponse:
    said = {
        "verdict": outcome.verdict,
        "why": outcome.why,
        "task_id": outcome.task_id,
        "change_id": outcome.change_id,
    }
    return JSONResponse(said, outcome.status)
