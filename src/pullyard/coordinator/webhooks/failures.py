"""How often somebody came without a valid signature: a bound on what guessing costs us."""

import time
from collections import OrderedDict
from collections.abc import Callable

FAILURES = 30
SECONDS = 60.0
NOTED_SECONDS = 10.0
"""Refusals of a webhook are written down once in so long."""
KEYS = 10_000
Key = tuple[str, str]


class Failures:
    """Of one process. By address and webhook, so that nobody can shut the door on a forge's deliveries.

    Whatever is no webhook counts as one, so that a new guess is not a new count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[Key, tuple[float, int]] = OrderedDict()
        self._noted: OrderedDict[str, float] = OrderedDict()

    def too_many(self, key: Key) -> bool:
        since, count = self._counts.get(key, (0.0, 0))
        return count >= FAILURES and self._clock() - since < SECONDS

    def count(self, key: Key) -> None:
        since, count = self._counts.pop(key, (self._clock(), 0))
        if self._clock() - since >= SECONDS:
            since, count = self._clock(), 0
        self._counts[key] = (since, count + 1)
        while len(self._counts) > KEYS:
            self._counts.popitem(last=False)

    def is_to_note(self, webhook_id: str) -> bool:
        """True once in a while for each webhook."""
        now = self._clock()
        if now - self._noted.get(webhook_id, -NOTED_SECONDS) < NOTED_SECONDS:
            return False
        self._noted[webhook_id] = now
        self._noted.move_to_end(webhook_id)
        while len(self._noted) > KEYS:
            self._noted.popitem(last=False)
        return True
