"""Who looks at which execution's logs now, and the word that there is more to read."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class LogWatch:
    """Within one replica. A watcher reads the store by offset; what is announced is only that it may."""

    def __init__(self) -> None:
        self._events: dict[str, set[asyncio.Event]] = {}

    def is_watched(self, execution_id: str) -> bool:
        return execution_id in self._events

    def announce(self, execution_id: str) -> None:
        for event in self._events.get(execution_id, ()):
            event.set()

    def announce_all(self) -> None:
        for execution_id in self._events:
            self.announce(execution_id)

    @contextmanager
    def watching(self, execution_id: str) -> Iterator[asyncio.Event]:
        """The event is set at each announcement; the watcher clears it before it reads."""
        event = asyncio.Event()
        watchers = self._events.setdefault(execution_id, set())
        watchers.add(event)
        try:
            yield event
        finally:
            watchers.discard(event)
            if not watchers:
                self._events.pop(execution_id, None)
