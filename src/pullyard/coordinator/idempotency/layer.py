"""Every change that a person asks for is one transaction: the effect, its audit entry and its kept answer.

The layer stands around all routes of ``/api/v1``, so that no route can leave one of them out.
"""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pullyard.coordinator.audit.write import begin_notes, deed_of, record
from pullyard.coordinator.auth.identify import Principal, known_caller, sender
from pullyard.coordinator.idempotency.stored import (
    FIRST_REFUSAL,
    Answer,
    KeyedRequest,
    check_key,
    exactly_once,
)
from pullyard.coordinator.problems import answer_for
from pullyard.coordinator.services import Services, services_of
from pullyard.lifecycle.crash_points import reached
from pullyard.protocol.errors import RequestError

logger = structlog.get_logger(__name__)

PREFIX = "/api/v1/"
CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
KEY = "idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")

SECRET_ANSWERS = re.compile(r"/api/v1/(tokens|session|stream/ticket|projects/[^/]+/webhooks)")
"""What is answered here is shown once and kept nowhere, so it can't be shown again either."""

QUICK = re.compile(r"/api/v1/projects/[^/]+/tasks")
"""Its own transaction holds its audit entry: a waiting worker has the task before the answer is made."""

# Cookies are the caller's own, and the rest is made anew for every answer.
KEPT_HEADERS = frozenset({b"content-type", b"location", b"etag"})
AUDITED_FIELDS = 50
FIELD = re.compile(r"[a-z_]{1,60}")


class Changes:
    """Answers are held back until what they tell of is committed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not changes(scope) or is_quick(scope):
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._app, scope, receive)
        try:
            await carry_out(exchange, services_of(HTTPConnection(scope)))
        except Exception as error:
            response = await answer_for(Request(scope), error)
            if response is None:
                raise
            await response(scope, receive, send)
            return
        reached("request-after-commit")
        for message in exchange.sent:
            await send(message)


def changes(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in CHANGING and scope["path"].startswith(PREFIX)


def is_quick(scope: Scope) -> bool:
    return QUICK.fullmatch(scope["path"]) is not None and not keys_of(scope)


def keys_of(scope: Scope) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == KEY.encode()]


async def carry_out(exchange: "Exchange", services: Services) -> None:
    """Committed when it returns, unless the answer is a refusal."""
    if keys := keys_of(exchange.scope):
        await exchange.once(services, keys)
        return
    async with services.database.whole() as whole:
        if await exchange.run(services) >= FIRST_REFUSAL:
            whole.give_up()


@dataclass
class Exchange:
    """One request on its way through the application, and the answer that is held back."""

    app: ASGIApp
    scope: Scope
    receive: Receive

    def __post_init__(self) -> None:
        self.body = b""
        self.sent: list[Message] = []

    async def once(self, services: Services, keys: list[bytes]) -> None:
        """Raises what ``exactly_once`` raises, and RequestError where a key can't be honoured."""
        path = self.scope["path"]
        if SECRET_ANSWERS.fullmatch(path):
            raise RequestError(
                "The answer to this holds a secret, which is not kept: send it without an Idempotency-Key.",
                code="idempotency-not-kept",
            )
        if len(keys) != 1:
            raise RequestError("Send one Idempotency-Key only.", code="invalid-idempotency-key")
        caller = await sender(HTTPConnection(self.scope))
        keyed = KeyedRequest(
            tenant_id=caller.tenant_id,
            caller=caller.member_id or caller.credential_id,
            route=f"{self.scope['method']} {path}?{self.scope['query_string'].decode('latin-1')}",
            key=check_key(keys[0].decode("latin-1")),
            content=(await self._read(), *describing(self.scope["headers"])),
        )
        answer, replayed = await exactly_once(services, keyed, lambda: self._answer(services))
        if replayed:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
            headers += [(b"content-length", str(len(answer.body)).encode()), REPLAYED]
            self.sent = [
                {"type": "http.response.start", "status": answer.status, "headers": headers},
                {"type": "http.response.body", "body": answer.body},
            ]

    async def _answer(self, services: Services) -> Answer:
        status = await self.run(services)
        kept = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self.sent[0]["headers"]
            if name in KEPT_HEADERS
        ]
        return Answer(status, self._said(), kept)

    async def run(self, services: Services) -> int:
        """The status. What a person has changed is on record in the same transaction."""
        notes = begin_notes()
        await self.app(self.scope, self._listen, self._hold)
        status: int = self.sent[0]["status"]
        caller = known_caller(self.scope)
        if status < FIRST_REFUSAL and caller is not None and not QUICK.fullmatch(self.scope["path"]):
            await self._audit(services, caller, status, notes)
        return status

    async def _audit(self, services: Services, caller: Principal, status: int, notes: dict[str, Any]) -> None:
        made = msgspec.json.decode(self._said()) if status == 201 else None
        target = made.get("id") if isinstance(made, dict) else None
        details = {"parameters": self.scope.get("path_params", {}), "fields": fields(self.body), **notes}
        async with services.database.transaction() as connection:
            await record(connection, deed_of(self.scope, caller, target=target, details=details))

    def _said(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def _read(self) -> bytes:
        """The whole body, which the application is then given anew."""
        receive, whole = self.receive, b""
        while True:
            message = await receive()
            whole += message.get("body", b"")
            if not message.get("more_body"):
                break
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": whole, "more_body": False}

        self.receive = again
        return whole

    async def _listen(self) -> Message:
        message = await self.receive()
        self.body += message.get("body", b"")
        return message

    async def _hold(self, message: Message) -> None:
        self.sent.append(message)


def describing(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The headers that belong to the content: of an event in binary mode they are the most of it."""
    return [
        name + b":" + value
        for name, value in sorted(headers)
        if name == b"content-type" or name.startswith(b"ce-")
    ]


def fields(body: bytes) -> list[str]:
    """The names of the fields that were sent; their values are nobody's business."""
    try:
        sent = msgspec.json.decode(body) if body else None
    except (msgspec.DecodeError, RecursionError):
        return []
    names = [name for name in sent if FIELD.fullmatch(name)] if isinstance(sent, dict) else []
    return sorted(names)[:AUDITED_FIELDS]
