"""What this replica tells itself at once and the others soon: hints, behind which the slow polls stand."""

from functools import partial

from pullyard.coordinator.services import Services

QUEUE = "queue"
ERRANDS = "errands"
EVENTS = "events"
CREDENTIALS = "credentials"
LOG = "log:"


def listen(services: Services) -> None:
    """Carry the bus's messages to whoever waits in this process."""

    def hear(topic: str | None, _payload: str) -> None:
        if topic is None:
            services.authenticator.forget()
            services.log_watch.announce_all()
        elif topic.startswith(LOG):
            services.log_watch.announce(topic.removeprefix(LOG))
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


def errands_changed(services: Services) -> None:
    _publish(services, ERRANDS)


def events_written(services: Services) -> None:
    """Call after a commit that wrote an event and changed nothing that can be claimed."""
    _publish(services, EVENTS)


def credentials_revoked(services: Services) -> None:
    _publish(services, CREDENTIALS)


def log_grew(services: Services, execution_id: str) -> None:
    _publish(services, LOG + execution_id)


def _publish(services: Services, topic: str) -> None:
    """A request that is one whole transaction tells of it when it is committed."""
    services.database.after_commit(partial(services.bus.publish, topic))
