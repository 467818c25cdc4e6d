"""Who calls: a bearer token or the session's cookie becomes a principal."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from pullyard.coordinator.auth.credentials import CredentialKind, digest
from pullyard.coordinator.services import services_of
from pullyard.protocol.errors import RequestError
from pullyard.store.database import Database

# Another replica's revocation is seen this late; this replica's at once.
CACHE_SECONDS = 5.0
CACHE_ENTRIES = 10_000
SESSION_COOKIE = "pullyard_session"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CALLER = "pullyard.caller"


class Unauthenticated(RequestError):
    """One shape for every way of not being known, so that nothing can be learnt from it."""

    def __init__(self, *, expired: bool = False) -> None:
        sentence = "This token has expired; get a new one." if expired else "A valid token is needed here."
        super().__init__(sentence, code="token-expired" if expired else "unauthenticated", status=401)


@dataclass(frozen=True)
class Principal:
    credential_id: str
    tenant_id: str
    kind: CredentialKind
    member_id: str | None
    worker_id: str | None


class Authenticator:
    """Looks secrets up by their hash; remembers what it found for a short while."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: OrderedDict[bytes, tuple[float, Principal]] = OrderedDict()
        self.revoked = asyncio.Event()
        """The next revocation sets it, and another takes its place."""

    def forget(self) -> None:
        """Call after every revocation: nothing is remembered any more."""
        self._found.clear()
        self.revoked.set()
        self.revoked = asyncio.Event()

    async def identify(self, secret: str) -> Principal:
        """Raises Unauthenticated where the secret is unknown, revoked or expired."""
        key = digest(secret)
        cached = self._found.get(key)
        if cached is not None and cached[0] > time.monotonic():
            return cached[1]
        # A worker that only beats is forgotten by its next heartbeat, so this is a part of each.
        rows = await self._database.hot.fetch("credential_find", {"secret_sha256": key})
        row = rows[0] if rows else None
        if row is None or row.revoked:
            self._found.pop(key, None)
            raise Unauthenticated
        if row.expired:
            self._found.pop(key, None)
            raise Unauthenticated(expired=True)
        principal = Principal(row.id, row.tenant_id, CredentialKind(row.kind), row.member_id, row.worker_id)
        lasts = CACHE_SECONDS if row.seconds_left is None else min(CACHE_SECONDS, float(row.seconds_left))
        self._found[key] = (time.monotonic() + lasts, principal)
        while len(self._found) > CACHE_ENTRIES:
            self._found.popitem(last=False)
        return principal


def bearer(connection: HTTPConnection) -> str | None:
    scheme, _, secret = connection.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


def cookie_name(connection: HTTPConnection) -> str:
    return f"__Host-{SESSION_COOKIE}" if is_https(connection) else SESSION_COOKIE


def is_https(connection: HTTPConnection) -> bool:
    public_url = services_of(connection).settings.public_url
    return public_url.startswith("https://") if public_url else connection.url.scheme in ("https", "wss")


def same_origin(connection: HTTPConnection) -> bool:
    """A browser names the page's origin on every write and on a WebSocket; it must be ours."""
    origin = connection.headers.get("origin")
    if origin is None:
        return False
    public_url = services_of(connection).settings.public_url
    ours = {connection.headers.get("host", "")}
    if public_url:
        ours.add(urlsplit(public_url).netloc)
    return urlsplit(origin).netloc in ours


async def person(connection: HTTPConnection) -> Principal:
    """The member behind an API token or a session. Raises Unauthenticated."""
    principal = await sender(connection)
    if principal.kind is CredentialKind.EVENTS:
        raise Unauthenticated
    return principal


async def sender(connection: HTTPConnection) -> Principal:
    """As ``person``, or a program that may hand in events and do nothing else."""
    principal = await _sender(connection)
    remember_caller(connection, principal)
    return principal


async def _sender(connection: HTTPConnection) -> Principal:
    authenticator = services_of(connection).authenticator
    secret = bearer(connection)
    if secret is not None:
        principal = await authenticator.identify(secret)
        if principal.kind not in (CredentialKind.API, CredentialKind.EVENTS):
            raise Unauthenticated
        return principal
    cookie = connection.cookies.get(cookie_name(connection))
    if not cookie:
        raise Unauthenticated
    principal = await authenticator.identify(cookie)
    if principal.kind is not CredentialKind.SESSION:
        raise Unauthenticated
    writes = connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE_METHODS
    if writes and not same_origin(connection):
        raise RequestError("This request comes from another site's page.", code="foreign-origin", status=403)
    return principal


def remember_caller(connection: HTTPConnection, principal: Principal) -> None:
    """So that a layer around the application can put on record who it was."""
    connection.scope[_CALLER] = principal


def known_caller(scope: Mapping[str, Any]) -> Principal | None:
    return scope.get(_CALLER)


async def require_person(request: Request) -> Principal:
    return await person(request)


async def require_sender(request: Request) -> Principal:
    return await sender(request)


async def worker(connection: HTTPConnection) -> tuple[str, str]:
    """The ids of the tenant and of the worker that calls. Raises Unauthenticated."""
    secret = bearer(connection)
    if secret is None:
        raise Unauthenticated
    principal = await services_of(connection).authenticator.identify(secret)
    if principal.kind is not CredentialKind.WORKER or principal.worker_id is None:
        raise Unauthenticated
    structlog.contextvars.bind_contextvars(worker_id=principal.worker_id)
    return principal.tenant_id, principal.worker_id


Person = Annotated[Principal, Depends(require_person)]
Sender = Annotated[Principal, Depends(require_sender)]
