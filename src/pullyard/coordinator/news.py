"""What this replica tells itself at once and the others soon: hints, behind which the slow polls stand."""

from functools import partial

from pullyard.coordinator.hub.log_news import LOG
from pullyard.coordinator.hub.watched import WATCH
from pullyard.coordinator.services import Services

QUEUE = "queue"
ERRANDS = "errands"
EVENTS = "events"
CREDENTIALS = "credentials"


def listen(services: Services) -> None:
    """Carry the bus's messages to whoever waits in this process."""

    def hear(topic: str | None, payload: str) -> None:
        if topic is None:
            services.authenticator.forget()
            services.hub.look_at_everything()
        elif topic.startswith(LOG):
            services.hub.log_news.hear(topic, payload)
            return
        elif topic.startswith(WATCH):
            services.hub.watched.hear(payload)
            return
        elif topic == CREDENTIALS:
            services.authenticator.forget()
        if topic in (None, QUEUE, ERRANDS):
            services.dispatcher.wake(errands=topic != QUEUE)
        services.feed.wake()

    services.bus.subscribe(hear)


def queue_changed(services: Services) -> None:
    """Call after a commit that may have made something claimable."""
    _publish(services, QUEUE)


def look_for_overlaps(services: Services, project_id: str) -> None:
    """Call after a commit that may have changed who touches which files."""
    services.database.after_commit(partial(services.radar.mark, project_id))


def errands_changed(services: Services) -> None:
    _publish(services, ERRANDS)


def events_written(services: Services) -> None:
    """Call after a commit that wrote an event and changed nothing that can be claimed."""
    _publish(services, EVENTS)


def credentials_revoked(services: Services) -> None:
    _publish(services, CREDENTIALS)


def log_grew(
    services: Services, execution_id: str, stream: str, *, offset: int, end: int, frame: bytes
) -> None:
    """Call after the commit that appended ``frame``, whose bytes are those from ``offset`` to ``end``."""
    services.database.after_commit(
        partial(services.hub.log_news.appended, execution_id, stream, offset=offset, end=end, frame=frame)
    )


def _publish(services: Services, topic: str) -> None:
    """A request that is one whole transaction tells of it when it is committed."""
    services.database.after_commit(partial(services.bus.publish, topic))
