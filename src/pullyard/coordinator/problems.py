"""Every error leaves as problem+json (RFC 9457): one sentence, a stable code, never a stack trace."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import asyncpg
import msgspec
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, PendingRollbackError, ResourceClosedError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from pullyard.coordinator.log_fields import about_path
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.protocol.errors import Conflict, PullyardError, RemoteFailure, RequestError
from pullyard.protocol.resources import Problem
from pullyard.store.errors import is_away, sqlstate_of

logger = structlog.get_logger(__name__)

# What Postgres says to a NUL, a lone surrogate and other text that it can't keep.
_UNSTORABLE = frozenset({"22021", "22P05", "22P02", "22003"})
_DISK_FULL = "53100"
# A 503 says when to ask again, which clients' libraries then do by themselves.
RETRY_AFTER_SECONDS = "1"
_SENTENCES = {
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This address does not take this method."),
    400: ("malformed", "The request can't be read as JSON of the expected shape."),
}

_HEADERS = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": RETRY_AFTER_SECONDS}}

_SCHEMA = "#/components/schemas/{model}"
# As a model, FastAPI would make a validator of it for each status of each route, before the first answer.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": {"$ref": _SCHEMA.format(model="Problem")}}},
    }
    for status in (400, 401, 404, 409, 412, 413, 422, 500, 503)
}


def problem(status: int, detail: str, code: str, details: dict[str, Any] | None = None) -> JSONResponse:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "details": details or {},
    }
    headers = _HEADERS.get(status)
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def status_of(error: PullyardError) -> int:
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, Conflict):
        return 409
    return 503 if isinstance(error, RemoteFailure) else 500


async def _known(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PullyardError)
    return problem(status_of(error), error.message, error.code, error.details)


async def _illegal(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, IllegalTransition)
    details = {"state": error.state, "event": error.event, "allowed": error.allowed}
    return problem(409, str(error), "illegal-transition", details)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    places = [
        {"at": ".".join(str(part) for part in one["loc"]), "message": one["msg"]} for one in error.errors()
    ]
    first = places[0] if places else {"at": "body", "message": "is not valid"}
    return problem(422, f"{first['at']}: {first['message']}.", "invalid-request", {"errors": places[:50]})


async def _wire(_: Request, error: Exception) -> JSONResponse:
    invalid = isinstance(error, msgspec.ValidationError)
    return problem(422 if invalid else 400, f"{error}.", "invalid-request" if invalid else "malformed")


async def _http(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, sentence = _SENTENCES.get(error.status_code, ("error", str(error.detail)))
    answer = problem(error.status_code, sentence, code)
    answer.headers.update(error.headers or {})
    return answer


async def _database(request: Request, error: Exception) -> JSONResponse:
    """Of SQLAlchemy, or of the driver itself where a statement went straight to it."""
    sqlstate = sqlstate_of(error)
    if sqlstate in _UNSTORABLE:
        return problem(422, "The request holds text that can't be stored, such as NUL.", "unstorable-text")
    if sqlstate == _DISK_FULL:
        logger.error("the database's disk is full", path=request.url.path)
        return problem(
            503,
            "The database's disk is full: make room there. Nothing of this was done, so ask again then.",
            "disk-full",
        )
    if is_away(error):
        logger.warning("database unavailable", path=request.url.path, sqlstate=sqlstate)
        return problem(503, "The database does not answer now; try again soon.", "database-unavailable")
    return await bug(request, error)


async def _unreachable(request: Request, error: Exception) -> JSONResponse:
    logger.warning("database unreachable", path=request.url.path, error=type(error).__name__)
    return problem(503, "The database does not answer now; try again soon.", "database-unavailable")


async def _no_socket(request: Request, error: Exception) -> JSONResponse:
    """A Postgres that is just starting again has no socket yet; only a connection's error names no file."""
    assert isinstance(error, FileNotFoundError)
    return await (_unreachable if error.filename is None else bug)(request, error)


async def bug(request: Request, error: Exception) -> JSONResponse:
    about_path(request.path_params)
    logger.error("unexpected error", path=request.url.path, exc_info=error)
    return problem(500, "This is a fault of the coordinator; its log says more.", "internal")


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]] = {
    PullyardError: _known,
    IllegalTransition: _illegal,
    RequestValidationError: _invalid,
    msgspec.DecodeError: _wire,
    HTTPException: _http,
    DBAPIError: _database,
    asyncpg.PostgresError: _database,
    asyncpg.InterfaceError: _database,
    asyncpg.InternalClientError: _unreachable,
    ConnectionError: _unreachable,
    FileNotFoundError: _no_socket,
    # The connection broke between two statements of one transaction.
    PendingRollbackError: _unreachable,
    ResourceClosedError: _unreachable,
    # No connection of the pool became free in time, or none could be made.
    PoolTimeout: _unreachable,
    TimeoutError: _unreachable,
}


def install(app: FastAPI) -> None:
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, bug)
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        document["components"]["schemas"].setdefault(
            "Problem", Problem.model_json_schema(ref_template=_SCHEMA)
        )
        return document

    app.openapi = openapi


async def answer_for(request: Request, error: Exception) -> JSONResponse | None:
    """For a layer around the application, where its handlers are not; None for a bug, which has to rise."""
    for kind in type(error).__mro__:
        if handler := _HANDLERS.get(kind):
            return await handler(request, error)
    return None
