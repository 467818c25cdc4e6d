"""Traces by OpenTelemetry's own library, from the extra ``otel``. The only module that imports it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pullyard import __version__
from pullyard.telemetry.tracer import Attributes, Times, current

SECOND = 1_000_000_000
FLUSH_MILLISECONDS = 3000
FAILED = "error.type"


class ChosenIds(RandomIdGenerator):
    """Random, but for a span whose ids are known in advance. Used by the event loop's thread alone."""

    def __init__(self) -> None:
        self.trace_id: int | None = None

    def generate_trace_id(self) -> int:
        return super().generate_trace_id() if self.trace_id is None else self.trace_id

    def generate_span_id(self) -> int:
        return super().generate_span_id() if self.trace_id is None else self.trace_id >> 64


class OtlpTracer:
    enabled = True

    def __init__(self, service: str, endpoint: str | None) -> None:
        self._ids = ChosenIds()
        resource = Resource.create({"service.name": service, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        address = None if endpoint is None else endpoint.rstrip("/") + "/v1/traces"
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=address)))
        self._tracer = self._provider.get_tracer("pullyard", __version__)

    @contextmanager
    def span(self, name: str, parent: str, attributes: Attributes, /) -> Iterator[None]:
        context = remote(parent)
        if context is None:
            yield
            return
        span = self._tracer.start_span(name, context, attributes=attributes)
        token = current.set(traceparent_of(span.get_span_context()))
        try:
            yield
        except BaseException as error:
            # Its text may hold what a repository or an agent said, so only its kind is told.
            fail(span, type(error).__name__)
            raise
        finally:
            current.reset(token)
            span.end()

    def record(
        self, name: str, parent: str, times: Times, attributes: Attributes, /, *, failed: str = ""
    ) -> None:
        if (context := remote(parent)) is not None:
            self._send(name, context, times, attributes, failed)

    def record_root(
        self,
        name: str,
        trace_id: str,
        times: tuple[float, float],
        attributes: Attributes,
        *,
        failed: str = "",
    ) -> None:
        self._ids.trace_id = int(trace_id, 16)
        try:
            self._send(name, Context(), times, attributes, failed)
        finally:
            self._ids.trace_id = None

    def _send(self, name: str, context: Any, times: Times, attributes: Attributes, failed: str) -> None:
        began, ended = times
        span = self._tracer.start_span(name, context, attributes=attributes, start_time=int(began * SECOND))
        if failed:
            fail(span, failed)
        span.end(int(max(began, ended) * SECOND))

    def close(self) -> None:
        self._provider.force_flush(FLUSH_MILLISECONDS)
        self._provider.shutdown()


def fail(span: Any, word: str) -> None:
    span.set_attribute(FAILED, word)
    span.set_status(Status(StatusCode.ERROR))


def remote(traceparent: str) -> Any | None:
    """The context that goes on from there; None for what is no ``traceparent``, which a stranger may send."""
    parts = traceparent.split("-")
    if [len(part) for part in parts] != [2, 32, 16, 2]:
        return None
    try:
        trace_id, span_id, flags = (int(part, 16) for part in parts[1:])
    except ValueError:
        return None
    found = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(found)) if found.is_valid else None


def traceparent_of(span: SpanContext) -> str:
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
