"""The coordinator as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI

from pullyard import __version__
from pullyard.coordinator import board, health, pages, problems
from pullyard.coordinator.audit import endpoints as audit
from pullyard.coordinator.auth import endpoints as auth
from pullyard.coordinator.auth.bootstrap import bootstrap
from pullyard.coordinator.auth.credentials import Issued
from pullyard.coordinator.auth.identify import Authenticator
from pullyard.coordinator.automation import endpoints as automation
from pullyard.coordinator.boundary import Boundary
from pullyard.coordinator.caretakers.archive import LogArchiver
from pullyard.coordinator.caretakers.loop import Caretakers
from pullyard.coordinator.caretakers.overlaps import watch_overlaps
from pullyard.coordinator.changes import endpoints as changes
from pullyard.coordinator.comparisons import endpoints as comparisons
from pullyard.coordinator.compression import Compressed
from pullyard.coordinator.costs import costs_endpoints
from pullyard.coordinator.costs import endpoints as costs
from pullyard.coordinator.events import endpoints as events
from pullyard.coordinator.executions import endpoints as executions
from pullyard.coordinator.executions.dispatcher import Dispatcher
from pullyard.coordinator.executions.finish_group import FinishGroups
from pullyard.coordinator.hub import asyncapi, sse
from pullyard.coordinator.hub import socket as hub
from pullyard.coordinator.hub.hub import Hub
from pullyard.coordinator.idempotency.describe import describe_keys
from pullyard.coordinator.idempotency.layer import Changes
from pullyard.coordinator.intake import endpoints as intake
from pullyard.coordinator.intake import rule_endpoints as event_rules
from pullyard.coordinator.logs import endpoints as logs
from pullyard.coordinator.logs.search import Searches
from pullyard.coordinator.maintenance import archive_url, running_database
from pullyard.coordinator.metrics import endpoints as metrics
from pullyard.coordinator.news import listen
from pullyard.coordinator.observe import observe
from pullyard.coordinator.projects import endpoints as projects
from pullyard.coordinator.push import endpoints as push
from pullyard.coordinator.schedules import endpoints as schedules
from pullyard.coordinator.secrets import endpoints as secrets
from pullyard.coordinator.services import Services
from pullyard.coordinator.settings import CoordinatorSettings
from pullyard.coordinator.tasks import endpoints as tasks
from pullyard.coordinator.tenants import endpoints as tenants
from pullyard.coordinator.webhooks import endpoints as deliveries
from pullyard.coordinator.webhooks import hook_endpoints as webhooks
from pullyard.coordinator.workers import endpoints as workers
from pullyard.coordinator.workers.forgotten import Forgotten
from pullyard.coordinator.workers.gate import WithWorkers
from pullyard.coordinator.workflows import endpoints as workflows
from pullyard.store.bus.registry import bus_for
from pullyard.store.database import Database
from pullyard.store.feed import Feed
from pullyard.store.migrate import migrate
from pullyard.store.objects import open_objects
from pullyard.telemetry.loops import keep_running
from pullyard.telemetry.tracer import open_tracer

END_SECONDS = 1.0


def create_app(settings: CoordinatorSettings, services: Services | None = None) -> FastAPI:
    """Without ``services`` they open and close with the application's lifespan."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as (opened, _):
            app.state.services = opened
            yield

    app = WithWorkers(
        title="Pullyard",
        version=__version__,
        lifespan=lifespan if services is None else None,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        responses=problems.PROBLEM_RESPONSES,
    )
    app.state.services = services
    work = (
        projects,
        automation,
        board,
        tasks,
        executions,
        workflows,
        logs,
        workers,
        changes,
        comparisons,
        costs,
        costs_endpoints,
        secrets,
        push,
    )
    for module in (tenants, *work, asyncapi, sse, events, auth, hub, audit, schedules, intake, event_rules):
        app.include_router(module.router)
    app.include_router(webhooks.router)
    app.include_router(deliveries.router)
    app.include_router(auth.pages)
    app.include_router(pages.router)
    app.mount("/assets", pages.assets, name="assets")
    app.include_router(health.router)
    app.include_router(metrics.metrics)
    app.include_router(metrics.queue)
    app.add_middleware(Changes)
    app.add_middleware(Compressed)
    app.add_middleware(Boundary)
    problems.install(app)
    describe_keys(app)
    return app


@asynccontextmanager
async def open_services(settings: CoordinatorSettings) -> AsyncIterator[tuple[Services, Issued | None]]:
    """Database, migration, owner and the background loops; with the login link of a first start."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(running_database(settings))
        direct = settings.direct_database_url.get_secret_value() if settings.direct_database_url else None
        database = Database(url, direct_url=direct, pool_size=settings.database_connections)
        # Before the migration, because it says in one sentence what is wrong with the server.
        await database.open()
        stack.push_async_callback(database.close)
        await migrate(direct or url)
        async with database.transaction() as connection:
            owner, first_login = await bootstrap(connection, settings.first_login_link_seconds)
        bus_url = settings.bus_url.get_secret_value() if settings.bus_url else None
        bus = bus_for(bus_url or direct or url, owner.tenant_id)
        await bus.open()
        stack.push_async_callback(bus.close)
        dispatcher = Dispatcher(database, settings)
        services = Services(
            settings=settings,
            database=database,
            bus=bus,
            feed=Feed(database),
            owner=owner,
            authenticator=Authenticator(database),
            dispatcher=dispatcher,
            finishes=FinishGroups(dispatcher),
            caretakers=Caretakers(),
            forgotten=Forgotten(settings.lease_seconds),
            searches=Searches(),
            objects=open_objects(archive) if (archive := archive_url(settings)) else None,
            health=health.Health(),
            tracer=open_tracer("pullyard-coordinator", settings.otlp_endpoint),
        )
        stack.push_async_callback(asyncio.to_thread, services.tracer.close)
        services.hub = Hub(services)
        listen(services)
        observe(services)
        beside = {
            "dispatcher": partial(services.dispatcher.run, services),
            "caretakers": partial(services.caretakers.run, services),
            "radar": partial(watch_overlaps, services),
            "hub": services.hub.run,
            "log archiver": partial(LogArchiver().run, services),
            "pushes": partial(services.pushes.run, services),
        }
        services.loops += [
            asyncio.create_task(keep_running(name, work), name=name) for name, work in beside.items()
        ]
        try:
            yield services, first_login
        finally:
            services.stop()
            await end_loops(services.loops)


async def end_loops(loops: Iterable[asyncio.Task[None]]) -> None:
    """A driver that is interrupted may raise an error of its own, which a loop takes for a fault of the
    database and goes on: so whoever is not gone after a moment is told again."""
    pending = set(loops)
    while pending:
        for loop in pending:
            loop.cancel()
        _, pending = await asyncio.wait(pending, timeout=END_SECONDS)
