"""Requests by their route: the name of the function that answers, never an address that a caller chose."""

from collections.abc import Callable
from typing import Any

from prometheus_client import Counter, Histogram

NO_ROUTE = "none"
HUNG_UP = 499
"""Counted where the caller was gone before there was an answer, as proxies do."""
BROKEN = 500


class Requests:
    def __init__(self, answered: Counter, seconds: Histogram) -> None:
        self._answered = answered
        self._seconds = seconds
        # To find a series by its labels takes longer than to count, so what was found is kept.
        self._counts: dict[tuple[object, int], Callable[[], None]] = {}
        self._times: dict[object, Callable[[float], None]] = {}

    def answer(self, endpoint: object, status: int, seconds: float) -> None:
        """``endpoint`` is what the router found, or None."""
        count = self._counts.get((endpoint, status))
        if count is None:
            name = name_of(endpoint)
            count = self._counts[endpoint, status] = self._answered.labels(name, str(status)).inc
            self._times[endpoint] = self._seconds.labels(name).observe
        count()
        self._times[endpoint](seconds)


def name_of(endpoint: Any) -> str:
    """``tasks.create`` for the function ``create`` of ``coordinator/tasks/endpoints.py``."""
    if endpoint is None or not hasattr(endpoint, "__name__"):
        return NO_ROUTE
    folder, *_ = str(endpoint.__module__).split(".")[-2:]
    return f"{folder}.{endpoint.__name__}"
