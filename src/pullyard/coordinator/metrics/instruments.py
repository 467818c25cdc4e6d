"""What is counted and timed as it happens. One registry for each coordinator, none for the whole process.

No label ever holds a name that a user chose: every one of them has a closed set of values.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from pullyard import __version__
from pullyard.coordinator.metrics.catalogue import Catalogue
from pullyard.coordinator.metrics.requests import Requests
from pullyard.lifecycle.execution import Phase
from pullyard.lifecycle.money import MICROS
from pullyard.lifecycle.reasons import Reason

SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Seconds, for what the coordinator does by itself."""
LONG = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 4 * 3600.0)
"""Seconds, for what agents and their tests do."""
WAITING = (0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 6 * 3600.0, 86_400.0)
"""Seconds, for tasks in the queue."""
STARTS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0)
"""Seconds, for sandboxes: milliseconds of a namespace, up to a machine that boots."""
SIZES = (1, 2, 5, 10, 20, 50, 100, 200)
LONGEST = 1e9
OTHER_PHASE = "other"


@dataclass(frozen=True)
class Ended:
    """An execution's end, as it was written. ``facts`` are the worker's own words, and not to be trusted."""

    state: str
    correlation_id: str
    project_id: str
    task_id: str
    execution_id: str
    worker_id: str | None
    queued_at: float
    """Seconds since the epoch."""
    reason: Reason | None = None
    phase_seconds: Mapping[str, float] | None = None
    facts: Mapping[str, Any] | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0


class Metrics:
    """Cheap enough for every request: a call takes about a microsecond."""

    def __init__(self) -> None:
        self.catalogue = make = Catalogue()
        ProcessCollector(registry=make.registry)
        GCCollector(registry=make.registry)
        make.gauge("build_info", "Always 1; the version is a label.", "version").labels(__version__).set(1)
        self.queue_latency = make.histogram(
            "queue_latency_seconds",
            "From a task's entry into the queue to its assignment to a worker.",
            buckets=WAITING,
        )
        self.claim_seconds = make.histogram(
            "claim_seconds", "One claim for a group of waiting workers, in the database.", buckets=SHORT
        )
        self.claim_grants = make.histogram("claim_grants", "Tasks granted by one claim.", buckets=SIZES)
        self.sandbox_start = make.histogram(
            "sandbox_start_seconds",
            "Until an execution's first sandbox was ready, as its worker measured it.",
            buckets=STARTS,
        )
        self.phase_seconds = make.histogram(
            "phase_seconds",
            "Phases of ended executions, as their workers measured them.",
            "phase",
            buckets=LONG,
        )
        self.executions = make.counter(
            "executions", "Ended executions; the reason is empty for success.", "state", "reason"
        )
        self.tokens = make.counter("tokens", "Model tokens of ended executions.", "direction")
        self.cost = make.counter("cost_dollars", "Model costs of ended executions, in US dollars.")
        self.log_bytes = make.counter(
            "log_bytes", "Log bytes taken from workers: `raw`, and as they came, `stored`.", "form"
        )
        self.logs_settled = make.counter(
            "logs_settled",
            "Ended logs put away: to object storage, or as large frames in the database.",
            "place",
        )
        self.logs_expired = make.counter("logs_expired", "Logs removed because their time had come.")
        self.heartbeats = make.counter("heartbeats", "Heartbeats of workers.")
        self.feed_delivery = make.histogram(
            "feed_delivery_seconds",
            "From the writing of an event to its sending to those who listen live; between two clocks.",
            buckets=SHORT,
        )
        self.requests = Requests(
            make.counter("http_requests", "Requests by route and status.", "endpoint", "code"),
            make.histogram(
                "http_request_seconds",
                "From a request's head to the end of its answer. A claim includes its waiting.",
                "endpoint",
                buckets=SHORT,
            ),
        )
        self.connections_refused = make.counter(
            "connections_refused",
            "Connections closed: there were too `many`, a `head` was too long, or a request too `slow`.",
            "why",
        )
        self._phases = {phase: self.phase_seconds.labels(phase) for phase in (*Phase, OTHER_PHASE)}
        self._raw, self._stored = self.log_bytes.labels("raw"), self.log_bytes.labels("stored")

    def claimed(self, seconds: float, queue_seconds: Iterable[float]) -> None:
        """``queue_seconds``: of each task that was granted, by the database's clock."""
        self.claim_seconds.observe(seconds)
        granted = 0
        for waited in queue_seconds:
            granted += 1
            self.queue_latency.observe(max(0.0, waited))
        if granted:
            self.claim_grants.observe(granted)

    def execution_ended(self, ended: Ended) -> None:
        self.executions.labels(ended.state, ended.reason or "").inc()
        for phase, seconds in (ended.phase_seconds or {}).items():
            if is_duration(seconds):
                self._phases.get(phase, self._phases[OTHER_PHASE]).observe(seconds)
        start_ms = (ended.facts or {}).get("sandbox_start_ms")
        if is_duration(start_ms):
            self.sandbox_start.observe(start_ms / 1000)
        # A counter refuses to fall, and these numbers are a worker's.
        self.tokens.labels("input").inc(max(0, ended.input_tokens))
        self.tokens.labels("output").inc(max(0, ended.output_tokens))
        self.cost.inc(max(0, ended.cost_micros) / MICROS)

    def log_taken(self, raw_bytes: int, stored_bytes: int) -> None:
        self._raw.inc(raw_bytes)
        self._stored.inc(stored_bytes)


def is_duration(value: object) -> TypeGuard[float]:
    """One number that is none, or endless, would spoil a sum for as long as the process lives."""
    return isinstance(value, int | float) and 0 <= value < LONGEST
