"""Which executions somebody watches, here or at another replica: their workers send logs at once."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator

from pullyard.store.bus.protocol import Bus

WATCH = "watch:"
REFRESH_SECONDS = 10.0
BELIEVED_SECONDS = 25.0
"""Longer than two refreshes: a replica that is gone is forgotten then."""
IDS_IN_A_MESSAGE = 100


class Watched:
    """Tells the other replicas what is watched here, and keeps what they tell.

    A word that got lost is made up for by the next refresh, and until then by the watcher's own slow look.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._here: Counter[str] = Counter()
        self._elsewhere: dict[str, float] = {}

    def begin(self, execution_id: str) -> None:
        self._here[execution_id] += 1
        if self._here[execution_id] == 1:
            self._bus.tell_others(WATCH + execution_id, execution_id)

    def end(self, execution_id: str) -> None:
        self._here[execution_id] -= 1
        if self._here[execution_id] <= 0:
            del self._here[execution_id]

    def hear(self, payload: str) -> None:
        until = time.monotonic() + BELIEVED_SECONDS
        self._elsewhere.update(dict.fromkeys(payload.split(), until))

    @property
    def count(self) -> int:
        """Watchers at this replica."""
        return self._here.total()

    def is_watched(self, execution_id: str) -> bool:
        return execution_id in self._here or self.is_watched_elsewhere(execution_id)

    def is_watched_elsewhere(self, execution_id: str) -> bool:
        return self._elsewhere.get(execution_id, 0.0) > time.monotonic()

    def tell_all(self) -> None:
        """Also after the bus was away: the others may have missed what was said before."""
        for some in batches(list(self._here)):
            self._bus.tell_others(WATCH + some[0], " ".join(some))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            self.tell_all()
            now = time.monotonic()
            self._elsewhere = {one: until for one, until in self._elsewhere.items() if until > now}


def batches(ids: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), IDS_IN_A_MESSAGE):
        yield ids[start : start + IDS_IN_A_MESSAGE]
