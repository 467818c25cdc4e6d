"""A request with a key happens once: the key, what it did and its answer are one transaction."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pullyard.coordinator.services import Services
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.errors import Conflict, RequestError
from pullyard.store.queries import named

KEY_CHARACTERS = 200
# A refusal has changed nothing, so it takes no key.
FIRST_REFUSAL = 400


@dataclass(frozen=True)
class KeyedRequest:
    """``route`` is whatever tells two addresses apart; ``content`` whatever makes two requests the same."""

    tenant_id: str
    caller: str
    route: str
    key: str
    content: tuple[bytes, ...]

    @property
    def id(self) -> bytes:
        return digest(*(part.encode() for part in (self.tenant_id, self.caller, self.route, self.key)))

    @property
    def lock(self) -> int:
        """64 bits of the id: two keys that share them would only ever be told to wait for each other."""
        return int.from_bytes(self.id[:8], "big", signed=True)

    @property
    def fingerprint(self) -> bytes:
        return digest(*self.content)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)


def digest(*parts: bytes) -> bytes:
    """Each with its length, so that no two lists of parts are the same bytes."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.digest()


def check_key(key: str) -> str:
    """Raises RequestError where it can't be a key."""
    if not 1 <= len(key) <= KEY_CHARACTERS or not key.isascii() or not key.isprintable():
        raise RequestError(
            f"An Idempotency-Key has 1 to {KEY_CHARACTERS} printable ASCII characters.",
            code="invalid-idempotency-key",
        )
    return key


async def exactly_once(
    services: Services, request: KeyedRequest, act: Callable[[], Awaitable[Answer]]
) -> tuple[Answer, bool]:
    """The answer of ``act``, or the one that it gave before; True where it is the old one.

    All that ``act`` writes by ``database.transaction()`` is committed with its answer, or not at all: an
    answer from 400 on, and an error, leave nothing behind, and the key stays free. It must not start tasks
    that write. Raises Conflict while the first request is in flight, here or at another replica, and
    RequestError for the same key with other content.
    """
    async with services.database.whole() as whole:
        known = await find(services, request)
        if known is not None:
            whole.give_up()
            return known, True
        answer = await act()
        if answer.status >= FIRST_REFUSAL:
            whole.give_up()
        else:
            await keep(services, request, answer)
            reached("request-before-commit")
    return answer, False


async def find(services: Services, request: KeyedRequest) -> Answer | None:
    """Takes the key's lock. The look is a statement after it, so that it sees what the last holder wrote."""
    async with services.database.transaction() as connection:
        if not await connection.scalar(named("idempotency_lock"), {"lock": request.lock}):
            raise Conflict(
                "The first request with this Idempotency-Key is still being worked on; ask again soon.",
                code="idempotency-in-flight",
            )
        row = (
            await connection.execute(
                named("idempotency_find"), {"id": request.id, "tenant_id": request.tenant_id}
            )
        ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != request.fingerprint:
        raise RequestError(
            "This Idempotency-Key was used for another request: take a new key for a new request.",
            code="idempotency-key-reused",
        )
    return Answer(row.status, row.body, [(name, value) for name, value in row.headers])


async def keep(services: Services, request: KeyedRequest, answer: Answer) -> None:
    async with services.database.transaction() as connection:
        await connection.execute(
            named("idempotency_keep"),
            {
                "id": request.id,
                "tenant_id": request.tenant_id,
                "fingerprint": request.fingerprint,
                "status": answer.status,
                "headers": answer.headers,
                "body": answer.body,
                "seconds": services.settings.idempotency_seconds,
            },
        )
