"""The worker's own routes stand beside the application's, because they are called most.

On its way through the application a request passes nine layers that are there for people's requests: the few
lines here take a third of that time. Body limits, headers, metrics and errors are the same.
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pullyard.coordinator.boundary import Boundary
from pullyard.coordinator.problems import answer_for, bug
from pullyard.coordinator.workers.wire import ROUTES

PREFIX = "/worker/v1/"


class WithWorkers(FastAPI):
    """Everything for people, and in front of it the addresses of the workers."""

    def __init__(self, **facts: object) -> None:
        super().__init__(**facts)  # type: ignore[arg-type]
        self._workers: ASGIApp = ServerErrorMiddleware(Boundary(serve_worker), handler=bug)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            scope["app"] = self
            await self._workers(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


_FIXED = {route.path: route for route in ROUTES if not route.param_convertors}
_OTHERS = [route for route in ROUTES if route.param_convertors]


async def serve_worker(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive, send)
    try:
        endpoint = find(scope)
        scope["endpoint"] = endpoint
        response = await endpoint(request)
    except Exception as error:
        response = await answer_for(request, error)
        if response is None:
            raise
    await response(scope, receive, send)


def find(scope: Scope) -> Callable[[Request], Awaitable[Response]]:
    """The route's function; its parameters are in the scope. Raises HTTPException 404 and 405."""
    path = scope["path"]
    route = _FIXED.get(path)
    if route is None:
        for other in _OTHERS:
            if match := other.path_regex.match(path):
                scope["path_params"] = match.groupdict()
                route = other
                break
        else:
            raise HTTPException(404)
    if scope["method"] not in (route.methods or ()):
        raise HTTPException(405, headers={"allow": "POST"})
    return route.endpoint
