"""What is read when somebody asks for the metrics: the queue, the workers, and this process's own parts."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy.pool import QueuePool

from pullyard.coordinator.metrics.catalogue import Catalogue
from pullyard.lifecycle.automation import AutomationState
from pullyard.lifecycle.worker import WorkerState
from pullyard.store.errors import DATABASE_AWAY
from pullyard.store.queries import named

if TYPE_CHECKING:
    from pullyard.coordinator.services import Services

LOOK_SECONDS = 2.0
"""So long is the database waited for; without it the numbers of this process are told all the same."""
KEEP_SECONDS = 1.0
"""A look is good for so long, so that many scrapers at once ask the database once."""


class State:
    """Gauges in the given catalogue. Those of the whole installation are the same from every replica."""

    def __init__(self, make: Catalogue, *, project_limit: int) -> None:
        self._project_limit = project_limit
        self._looking = asyncio.Lock()
        self._looked_at = -KEEP_SECONDS
        self.database_up = make.gauge("database_up", "1 where the database has just answered.")
        self.queued = make.gauge("tasks_queued", "Queued tasks by their project's automation.", "automation")
        self.claimable = make.gauge(
            "tasks_claimable", "Queued tasks that their projects' limits would let run now."
        )
        self.running = make.gauge(
            "executions_running", "Live executions by their project's automation.", "automation"
        )
        self.projects = make.gauge("projects", "Projects by automation.", "automation")
        self.workers = make.gauge("workers", "Workers by state.", "state")
        self.slots = make.gauge("worker_slots", "Slots of workers by state.", "state")
        self.newest_event = make.gauge("feed_newest_cursor", "Cursor of the newest event that is committed.")
        self.feed_lag = make.gauge(
            "feed_lag_events", "Committed events that this replica's subscribers can't read yet."
        )
        self.project_queued = make.gauge("project_queued", "Queued tasks of a project; opt-in.", "project_id")
        self.project_running = make.gauge("project_running", "Its live executions; opt-in.", "project_id")
        self.connections = make.gauge("database_connections", "Connections of this process's pool.", "state")
        self.connections_limit = make.gauge("database_connections_limit", "Most connections of the pool.")
        self.polls = make.gauge("claims_waiting", "Long-polls of workers that wait here for work.")
        self.sockets = make.gauge("sockets", "Open WebSockets and event streams of this replica.")
        self.subscriptions = make.gauge("subscriptions", "What they follow, events and logs.")
        self.log_watchers = make.gauge("log_watchers", "Those of them that follow a log.")
        self.bus_connected = make.gauge("bus_connected", "1 where this replica hears the others.")
        self.loops = make.gauge("loop_up", "1 where the background loop runs.", "loop")
        self.round_age = make.gauge("caretakers_round_age_seconds", "Since the caretakers' last whole round.")

    async def look(self, services: "Services") -> None:
        """Sets every gauge. Callers at the same time share one look."""
        async with self._looking:
            if time.monotonic() - self._looked_at < KEEP_SECONDS:
                return
            self._look_inside(services)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look_at_store(services)
                self.database_up.set(1)
            except DATABASE_AWAY:
                # What was true before may be no longer, so it is not told.
                self._forget()
                self.database_up.set(0)
            self._looked_at = time.monotonic()

    def _look_inside(self, services: "Services") -> None:
        pool = services.database.engine.pool
        assert isinstance(pool, QueuePool)
        self.connections.labels("in_use").set(pool.checkedout())
        self.connections.labels("idle").set(pool.checkedin())
        self.connections_limit.set(pool.size())
        self.polls.set(services.dispatcher.waiting_count)
        self.sockets.set(len(services.hub))
        self.subscriptions.set(services.hub.subscriptions)
        self.log_watchers.set(services.hub.watched.count)
        self.bus_connected.set(services.bus.is_connected)
        for loop in services.loops:
            self.loops.labels(loop.get_name()).set(not loop.done())
        self.round_age.set(services.caretakers.seconds_since_round)

    async def _look_at_store(self, services: "Services") -> None:
        async with services.database.own_transaction() as connection:
            totals = (await connection.execute(named("metrics_state"))).one()
            projects = []
            if 0 < totals.project_count <= self._project_limit:
                projects = (await connection.execute(named("metrics_projects"))).all()
        for state in AutomationState:
            self.projects.labels(state).set(totals.projects.get(state, 0))
            self.queued.labels(state).set(totals.queued.get(state, 0))
            self.running.labels(state).set(totals.running.get(state, 0))
        for state in WorkerState:
            self.workers.labels(state).set(totals.workers.get(state, 0))
            self.slots.labels(state).set(totals.slots.get(state, 0))
        self.claimable.set(totals.claimable)
        self.newest_event.set(totals.newest_cursor)
        # The look comes second: whatever is behind the newest event now waits for a transaction to end.
        self.feed_lag.set(max(0, totals.newest_cursor - await services.feed.look()))
        self._tell_projects(projects)

    def _tell_projects(self, rows: Iterable[Any]) -> None:
        # A project that was removed must not be told for ever.
        self.project_queued.clear()
        self.project_running.clear()
        for row in rows:
            self.project_queued.labels(row.project_id).set(row.queued)
            self.project_running.labels(row.project_id).set(row.running)

    def _forget(self) -> None:
        for gauge in (self.queued, self.running, self.projects, self.workers, self.slots):
            gauge.clear()
        self._tell_projects(())
