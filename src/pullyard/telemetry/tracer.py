"""What the product says of itself to OpenTelemetry: few spans, with ids in them and never anybody's text.

An execution's trace id is its correlation id, so whoever has a line of the log has the trace. Its first span
is known in advance by every process: its id is the first half of the trace's, and it is sent when it is over.
"""

import importlib
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Protocol

import structlog

logger = structlog.get_logger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""OpenTelemetry's own variables, which turn it on as well as ours."""

Times = tuple[float, float]
"""Begin and end, in seconds since the epoch."""
Attributes = Mapping[str, str | int | float | bool]

current: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The span that this task works in, as a W3C ``traceparent``; what it calls goes on from there."""


class Tracer(Protocol):
    """``parent`` is a ``traceparent``. No method fails, and none but ``close`` blocks."""

    enabled: bool

    def span(self, name: str, parent: str, attributes: Attributes, /) -> AbstractContextManager[None]:
        """A span for as long as the block runs; it has failed where the block raises."""
        ...

    def record(
        self, name: str, parent: str, times: Times, attributes: Attributes, /, *, failed: str = ""
    ) -> None:
        """A span that is over already. ``failed`` is a word for what went wrong."""
        ...

    def record_root(
        self, name: str, trace_id: str, times: Times, attributes: Attributes, /, *, failed: str = ""
    ) -> None:
        """The first span of an execution's trace, whose children were sent before."""
        ...

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        ...


class NoTracer:
    """Where nobody asked for traces."""

    enabled = False

    def span(self, *_about: object) -> AbstractContextManager[None]:
        return nullcontext()

    def record(self, *_about: object, **_more: str) -> None:
        pass

    def record_root(self, *_about: object, **_more: str) -> None:
        pass

    def close(self) -> None:
        pass


def root_of(correlation_id: str) -> str:
    """The ``traceparent`` of an execution's first span."""
    return f"00-{correlation_id}-{correlation_id[:16]}-01"


def ended_just_now(seconds: float) -> Times:
    """Of something that took so long."""
    now = time.time()
    return now - seconds, now


def open_tracer(service: str, endpoint: str | None) -> Tracer:
    """``endpoint`` is a collector's address for OTLP over HTTP, without a path; None leaves it to the
    environment. Without any there are no traces, and OpenTelemetry is not even imported.
    """
    if endpoint is None and not any(os.environ.get(name) for name in ENDPOINTS):
        return NoTracer()
    try:
        otlp = importlib.import_module("pullyard.telemetry.otlp")
    except ImportError:
        logger.warning("no traces are sent: install Pullyard with its extra 'otel'")
        return NoTracer()
    return otlp.OtlpTracer(service, endpoint)
