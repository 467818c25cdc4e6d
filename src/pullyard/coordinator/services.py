"""What one coordinator process is made of; made at its start and handed to every request."""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection, Request

from pullyard.coordinator.logs.group import LogAppends
from pullyard.coordinator.metrics.instruments import Metrics
from pullyard.coordinator.metrics.state import State
from pullyard.coordinator.push.deliver import Pushes
from pullyard.coordinator.radar import Radar
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.webhooks.failures import Failures
from pullyard.store.bus.protocol import Bus
from pullyard.store.database import Database
from pullyard.store.feed import Feed
from pullyard.telemetry.tracer import NoTracer, Tracer

if TYPE_CHECKING:
    from pullyard.coordinator.auth.bootstrap import Owner
    from pullyard.coordinator.auth.identify import Authenticator
    from pullyard.coordinator.caretakers.loop import Caretakers
    from pullyard.coordinator.executions.dispatcher import Dispatcher
    from pullyard.coordinator.executions.finish_group import FinishGroups
    from pullyard.coordinator.health import Health
    from pullyard.coordinator.hub.hub import Hub
    from pullyard.coordinator.logs.search import Searches
    from pullyard.coordinator.workers.forgotten import Forgotten
    from pullyard.store.objects import Objects


@dataclass
class Services:
    """``stopping`` is set when the process is about to end: whatever waits for news returns at once."""

    settings: CoordinatorSettings
    database: Database
    bus: Bus
    feed: Feed
    owner: "Owner"
    authenticator: "Authenticator"
    dispatcher: "Dispatcher"
    finishes: "FinishGroups"
    caretakers: "Caretakers"
    forgotten: "Forgotten"
    searches: "Searches"
    objects: "Objects | None"
    """Where old logs go; null keeps them in the database."""
    health: "Health"
    tracer: Tracer = field(default_factory=NoTracer)
    metrics: Metrics = field(default_factory=Metrics)
    radar: Radar = field(default_factory=Radar)
    pushes: Pushes = field(default_factory=Pushes)
    webhook_failures: Failures = field(default_factory=Failures)
    state: State = field(init=False)
    log_appends: LogAppends = field(init=False)
    hub: "Hub" = field(init=False)
    """Made from the services themselves, right after them."""
    loops: list[asyncio.Task[None]] = field(default_factory=list)
    """What runs beside the requests until the process ends, each with a name."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.log_appends = LogAppends(self.database)
        self.state = State(self.metrics.catalogue, project_limit=self.settings.metrics_projects)

    def stop(self) -> None:
        """The process is about to end. Repeatable."""
        self.stopping.set()
        self.dispatcher.stop()

    async def wait_for(self, news: asyncio.Event, seconds: float) -> None:
        """Returns at the news, after the time, or when the process is about to end."""
        waits = (asyncio.ensure_future(news.wait()), asyncio.ensure_future(self.stopping.wait()))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()


def services_of(connection: HTTPConnection) -> Services:
    return connection.app.state.services


async def _from_request(request: Request) -> Services:
    # A plain function would be called in a thread of its own, for every request.
    return services_of(request)


ServicesNeeded = Annotated[Services, Depends(_from_request)]
