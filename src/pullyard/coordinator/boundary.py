"""The outermost layer: body limits, security headers and ids for the log, as plain ASGI."""

import secrets
import time
from http import HTTPStatus

import structlog
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pullyard.coordinator.metrics.requests import BROKEN, HUNG_UP, name_of
from pullyard.coordinator.problems import problem
from pullyard.coordinator.services import services_of
from pullyard.telemetry.tracer import ended_just_now

logger = structlog.get_logger(__name__)

BODY_BYTES = 1024 * 1024
WORKER_BODY_BYTES = 16 * 1024 * 1024
# A finish carries the diff, where JSON makes six bytes of a control character, and every changed file's name:
# one that is refused for its length would cost the whole change.
FINISH_BODY_BYTES = 64 * 1024 * 1024
# A frame that does not compress is a little longer than its content.
LOG_BODY_BYTES = 2 * 1024 * 1024
# Forges send up to 25 MiB; what is about issues, comments and changes is far shorter.
WEBHOOK_BODY_BYTES = 5 * 1024 * 1024
_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"font-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; "
    b"frame-ancestors 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", _CSP),
]


class BodyTooLong(Exception):
    """More came than the address takes."""


def limit_for(path: str) -> int:
    if path.startswith("/webhooks/v1/"):
        return WEBHOOK_BODY_BYTES
    if not path.startswith("/worker/v1/"):
        return BODY_BYTES
    if "/logs/" in path:
        return LOG_BODY_BYTES
    return FINISH_BODY_BYTES if path.endswith("/finish") else WORKER_BODY_BYTES


class Boundary:
    """Raises nothing: a body over the limit is answered 413 whether or not it told its length."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = limit_for(scope["path"])
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        status: int | None = None
        began = time.perf_counter()
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise BodyTooLong
            return message

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=secrets.token_hex(8))
        try:
            if length.isdigit() and int(length) > limit:
                raise BodyTooLong
            await self._app(scope, bounded, dressed)
        except ClientDisconnect:
            # A worker that was killed hangs up in the middle of a request: no bug, and nobody to answer.
            logger.debug("caller hung up", path=scope["path"])
            status = status or HUNG_UP
        except BodyTooLong:
            if status is None:
                answer = problem(
                    413, f"This address takes at most {limit} bytes.", "body-too-long", {"limit": limit}
                )
                await answer(scope, receive, dressed)
        finally:
            # Without a status a bug is on its way up, to where it is answered with 500.
            tell(scope, headers.get(b"traceparent"), status or BROKEN, time.perf_counter() - began)


def tell(scope: Scope, traceparent: bytes | None, status: int, seconds: float) -> None:
    """Metrics of every request; and a span in the caller's trace, where the caller was somebody known."""
    services = services_of(HTTPConnection(scope))
    endpoint = scope.get("endpoint")
    services.metrics.requests.answer(endpoint, status, seconds)
    if services.tracer.enabled and traceparent is not None and status < HTTPStatus.BAD_REQUEST:
        parent = traceparent.decode("latin-1")
        services.tracer.record(name_of(endpoint), parent, ended_just_now(seconds), {"http.status": status})
