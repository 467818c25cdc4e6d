"""A coordinator process of the simulation: the real services and routes, over the store in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from pullyard.coordinator.auth.credentials import CredentialKind
from pullyard.coordinator.auth.identify import Principal
from pullyard.coordinator.caretakers.loop import Caretakers
from pullyard.coordinator.executions.dispatcher import Dispatcher
from pullyard.coordinator.executions.finish_group import FinishGroups
from pullyard.coordinator.hub.hub import Hub
from pullyard.coordinator.metrics.instruments import Metrics
from pullyard.coordinator.news import listen
from pullyard.coordinator.observe import observe
from pullyard.coordinator.problems import status_of
from pullyard.coordinator.services import Services
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.workers import wire
from pullyard.coordinator.workers.forgotten import Forgotten
from pullyard.lifecycle.machine import IllegalTransition
from pullyard.protocol.errors import PullyardError
from simulation.memory import MemoryDatabase
from simulation.virtual_loop import Node, VirtualLoop

TENANT = "ten_simulated"
ROUTES = {route.path: route for route in wire.ROUTES}


class SimulatedBus:
    """Tells every replica of the history, its own at once and the others when the network brings it."""

    def __init__(self, others: Callable[["SimulatedBus", str, str], None]) -> None:
        self.callbacks: list[Any] = []
        self._others = others

    def subscribe(self, callback: Any) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def publish(self, topic: str, payload: Any = "") -> None:
        self.tell(topic, payload)
        self._others(self, topic, payload)

    def tell(self, topic: str, payload: Any) -> None:
        for callback in self.callbacks:
            callback(topic, payload)


class NoCatalogue:
    """Nobody asks for the state of a history's coordinator, so nothing is made to tell it with."""

    def gauge(self, *words: str) -> None:
        pass


class NoFeed:
    """Nobody reads events in a history; they are in the tables."""

    def wake(self) -> None:
        pass


class TrustingAuthenticator:
    """Every worker's credential is its id: who may call is not what a history is about."""

    def __init__(self) -> None:
        self.revoked = asyncio.Event()
        self.known: dict[str, Principal] = {}

    def forget(self) -> None:
        pass

    async def identify(self, secret: str) -> Principal:
        if secret not in self.known:
            self.known[secret] = Principal(secret, TENANT, CredentialKind.WORKER, None, secret)
        return self.known[secret]


@dataclass(slots=True)
class WireRequest:
    """As much of Starlette's request as the worker's routes look at."""

    app: Any
    headers: dict[str, str]
    path_params: dict[str, str]
    query_params: dict[str, str]
    content: bytes
    hung_up: asyncio.Event
    url: Any

    async def body(self) -> bytes:
        return self.content

    async def receive(self) -> dict[str, str]:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}


@dataclass(eq=False)
class CoordinatorNode:
    """One life of one replica. ``bug`` is told of everything that would have been answered 500."""

    loop: VirtualLoop
    node: Node
    services: Services
    bus: SimulatedBus
    bug: Callable[[BaseException], None]
    calls: dict[Any, None] = field(default_factory=dict)
    app: Any = None
    """As a request has it."""

    def __post_init__(self) -> None:
        self.app = SimpleNamespace(state=SimpleNamespace(services=self.services))

    @classmethod
    def start(
        cls,
        loop: VirtualLoop,
        node: Node,
        database: MemoryDatabase,
        settings: CoordinatorSettings,
        others: Callable[[SimulatedBus, str, str], None],
        bug: Callable[[BaseException], None],
    ) -> "CoordinatorNode":
        bus = SimulatedBus(others)
        clock = clock_of(loop, node)
        dispatcher = Dispatcher(database, settings)
        parts: dict[str, Any] = {
            "settings": settings,
            "database": database,
            "bus": bus,
            "feed": NoFeed(),
            "authenticator": TrustingAuthenticator(),
            "metrics": metrics(),
            "dispatcher": dispatcher,
            "finishes": FinishGroups(dispatcher),
            "caretakers": Caretakers(clock),
            "forgotten": Forgotten(settings.lease_seconds, clock),
            "stopping": asyncio.Event(),
        }
        # What no worker's request touches is left out, whatever the services have beside.
        services = Services(**{**dict.fromkeys(without_default()), **parts})
        services.hub = Hub(services)
        listen(services)
        observe(services)
        started = cls(loop, node, services, bus, bug)
        loop.spawn(node, services.dispatcher.run(services))
        loop.spawn(node, services.caretakers.run(services))
        return started

    async def answer(
        self, worker_id: str, path: str, body: bytes, hung_up: asyncio.Event
    ) -> tuple[int, bytes]:
        place, _, query = path.partition("?")
        route, path_params = route_of(place)
        if route is None:
            return problem(404, "There is nothing at this address.", "not-found", {})
        request: Any = WireRequest(
            app=self.app,
            headers={"authorization": f"Bearer {worker_id}"},
            path_params=path_params,
            query_params=dict(parse_qsl(query)) if query else {},
            content=body,
            hung_up=hung_up,
            url=SimpleNamespace(path=place),
        )
        try:
            response = await route.endpoint(request)
        except PullyardError as error:
            return problem(status_of(error), error.message, error.code, error.details)
        except IllegalTransition as error:
            return problem(409, str(error), "illegal-transition", {})
        except msgspec.DecodeError as error:
            return problem(422, str(error), "invalid-request", {})
        except (ConnectionError, SQLAlchemyError):
            return problem(
                503, "The database does not answer now; try again soon.", "database-unavailable", {}
            )
        except Exception as error:  # noqa: BLE001 - As the process edge does; the history ends by it.
            self.bug(error)
            return problem(500, "This is a fault of the coordinator; its log says more.", "internal", {})
        return response.status_code, bytes(response.body)

    def kill(self) -> None:
        self.node.alive = False
        for call in list(self.calls):
            call.fail()


@cache
def without_default() -> tuple[str, ...]:
    """Those fields of the services that somebody has to give."""
    return tuple(
        one.name
        for one in fields(Services)
        if one.init and (one.default, one.default_factory) == (MISSING, MISSING)
    )


@cache
def metrics() -> Metrics:
    """One for all histories of this process: they are counted in and never read."""
    made = Metrics()
    nothing: Any = NoCatalogue()
    made.catalogue = nothing
    return made


def route_of(place: str) -> tuple[Any, dict[str, str]]:
    """As the router would find it, without a look at every route before it."""
    if place in ROUTES:
        return ROUTES[place], {}
    shape = place.split("/")
    given: dict[str, str] = {}
    for name, at in (("id", 4), ("stream", 6)):
        if at < len(shape):
            given[name], shape[at] = shape[at], f"{{{name}}}"
    return ROUTES.get("/".join(shape)), given


def clock_of(loop: VirtualLoop, node: Node) -> Callable[[], float]:
    return lambda: loop.now * node.clock_rate + node.clock_offset


def problem(status: int, detail: str, code: str, details: dict[str, Any]) -> tuple[int, bytes]:
    body = {"status": status, "detail": detail, "code": code, "details": details}
    return status, msgspec.json.encode(body)
