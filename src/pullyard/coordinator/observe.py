"""What is told to metrics, traces and live logs of claims and endings, once they are committed."""

import time
from collections.abc import Sequence

from pullyard.coordinator.metrics.instruments import Ended
from pullyard.coordinator.news import queue_changed
from pullyard.coordinator.radar import Moved
from pullyard.coordinator.services import Services
from pullyard.protocol.worker import Grant
from pullyard.telemetry.tracer import ended_just_now, root_of


def observe(services: Services) -> None:
    """Begin to listen."""
    services.dispatcher.on_claim = lambda seconds, grants: hear_claim(services, seconds, grants)
    services.hub.events.on_delivery = services.metrics.feed_delivery.observe
    services.database.on_commit(lambda facts: hear_facts(services, facts))
    services.finishes.on_written = lambda ended: hear_finishes(services, ended)


def hear_claim(services: Services, seconds: float, grants: list[Grant]) -> None:
    services.metrics.claimed(seconds, [grant.queued_seconds for grant in grants])
    for grant in grants:
        if grant.task.target_files:
            services.radar.mark(grant.project_id)
    if not services.tracer.enabled:
        return
    began, ended = ended_just_now(seconds)
    for grant in grants:
        parent = root_of(grant.correlation_id)
        about = {
            "pullyard.project_id": grant.project_id,
            "pullyard.task_id": grant.task.id,
            "pullyard.execution_id": grant.execution_id,
        }
        services.tracer.record("queue", parent, (began - grant.queued_seconds, began), about)
        services.tracer.record("claim", parent, (began, ended), about | {"pullyard.claim_size": len(grants)})


def hear_finishes(services: Services, ended: Sequence[Ended]) -> None:
    """A group of finishes is one piece of news: projects have room again."""
    hear_facts(services, ended)
    queue_changed(services)


def hear_facts(services: Services, facts: Sequence[object]) -> None:
    for fact in facts:
        if isinstance(fact, Moved):
            services.radar.mark(fact.project_id)
        if isinstance(fact, Ended):
            services.radar.mark(fact.project_id)
            services.metrics.execution_ended(fact)
            # Whoever follows its logs is told that they are complete.
            services.hub.log_news.ended(fact.execution_id)
            if services.tracer.enabled:
                trace_ending(services, fact)


def trace_ending(services: Services, ended: Ended) -> None:
    about = {
        "pullyard.project_id": ended.project_id,
        "pullyard.task_id": ended.task_id,
        "pullyard.execution_id": ended.execution_id,
        "pullyard.worker_id": ended.worker_id or "",
        "pullyard.state": ended.state,
        "pullyard.input_tokens": ended.input_tokens,
        "pullyard.output_tokens": ended.output_tokens,
        "pullyard.cost_micros": ended.cost_micros,
    }
    services.tracer.record_root(
        "execution", ended.correlation_id, (ended.queued_at, time.time()), about, failed=ended.reason or ""
    )
