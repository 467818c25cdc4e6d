"""Waits until a comparison has come to where somebody wants it."""

import time
from collections.abc import Callable
from math import inf

from pullyard.lifecycle.change import ChangeState, ErrandState
from pullyard.lifecycle.comparison import ComparisonState
from pullyard.protocol.comparisons import Comparison
from pullyard.protocol.stream import ExecutionUpdate, SubscribeEvents
from pullyard.sdk.client import Client
from pullyard.sdk.stream import Silence

CLOSE_SECONDS = 60.0
"""So long a choice waits for the others' changes to be closed."""
LOOK_SECONDS = 2.0


def await_comparison(
    client: Client, found: Comparison, reached: Callable[[Comparison], bool], patience_seconds: float = inf
) -> Comparison:
    """As it is then, or when the patience is over."""
    give_up_at = time.monotonic() + patience_seconds
    with client.stream() as stream:
        stream.subscribe(SubscribeEvents(id="events", project_id=found.project_id, cursor=None))
        # Read once more after the subscription, or what happens between the two would be missed.
        found = client.comparison(found.id)
        news = stream.hear(LOOK_SECONDS)
        while not reached(found) and time.monotonic() < give_up_at:
            if isinstance(next(news), ExecutionUpdate | Silence):
                found = client.comparison(found.id)
    return found


def has_ended(found: Comparison) -> bool:
    return found.state is not ComparisonState.RUNNING


def is_cleared(found: Comparison) -> bool:
    """Whether nothing is left to be closed, or a close has failed."""
    return all(
        one.chosen
        or one.change_state is not ChangeState.OPEN
        or (one.errand is not None and one.errand.state is ErrandState.FAILED)
        for one in found.candidates
    )
