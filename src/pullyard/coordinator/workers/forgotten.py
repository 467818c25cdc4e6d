"""Executions that a worker in contact does not name any more, such as after it lost its disk."""

import time
from collections.abc import Callable, Iterable


class Forgotten:
    """Only a lasting silence counts: a finish that is on its way looks the same for a moment.

    Each replica remembers what it has seen itself, and that is enough: a worker never names again what it has
    dropped, so the first heartbeat that misses an execution begins a silence that no other replica can have
    heard broken. Heartbeats spread over several replicas make it come out later by their turns, and no more.
    """

    def __init__(self, patience_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._since: dict[str, dict[str, float]] = {}

    def note(self, worker_id: str, missing: Iterable[str]) -> list[str]:
        """What one heartbeat did not name; returns those that were missing for too long."""
        now = self._clock()
        before = self._since.get(worker_id, {})
        since = {execution_id: before.get(execution_id, now) for execution_id in missing}
        if since:
            self._since[worker_id] = since
        else:
            self._since.pop(worker_id, None)
        return [one for one, start in since.items() if now - start > self._patience_seconds]
