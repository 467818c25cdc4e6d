"""A heartbeat route without a database: ``own`` is ours in its whole application, ``bare`` a raw limit."""

import sys
from types import SimpleNamespace
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pullyard.coordinator.app import create_app
from pullyard.coordinator.auth.credentials import CredentialKind
from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.connections import Limits, bounded
from pullyard.coordinator.event_loop import run_coordinator
from pullyard.coordinator.metrics.instruments import Metrics
from pullyard.coordinator.server import bind
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.workers import wire
from pullyard.coordinator.workers.heartbeat import Beat
from pullyard.protocol.worker import HeartbeatAnswer, HeartbeatRequest
from pullyard.telemetry.tracer import NoTracer

ANSWER = HeartbeatAnswer(lease_seconds=30.0)


class OneWorker:
    async def identify(self, _secret: str) -> Principal:
        return Principal("credential", "tenant", CredentialKind.WORKER, None, "worker")


async def beat_nothing(*_: object) -> Beat:
    return Beat(ANSWER, [])


def own() -> ASGIApp:
    """The application as it is, but for the one function that asks the database."""
    wire.beat = beat_nothing
    services: Any = SimpleNamespace(
        settings=CoordinatorSettings(),
        authenticator=OneWorker(),
        metrics=Metrics(),
        tracer=NoTracer(),
    )
    return create_app(services.settings, services)


async def heartbeat(request: Request) -> Response:
    msgspec.json.decode(await request.body(), type=HeartbeatRequest)
    return Response(msgspec.json.encode(ANSWER), media_type="application/json")


def bare() -> ASGIApp:
    return Starlette(routes=[Route("/worker/v1/heartbeat", heartbeat, methods=["POST"])])


def main(which: str) -> None:
    options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
    if which == "own":
        options["http"] = bounded(Limits(1000, 15.0, 20.0, lambda _: None))
    with bind("127.0.0.1", 0) as listener:
        listener.listen()
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        server = uvicorn.Server(uvicorn.Config({"own": own, "bare": bare}[which](), **options))
        run_coordinator(server.serve([listener]))


if __name__ == "__main__":
    main(sys.argv[1])
