"""Asks for a merge or a close and waits until a worker has done it."""

import time

from pullyard.lifecycle.change import ErrandKind, ErrandState
from pullyard.protocol.errors import RemoteFailure
from pullyard.protocol.resources import Change
from pullyard.protocol.stream import ExecutionUpdate, SubscribeEvents
from pullyard.sdk.client import Client
from pullyard.sdk.stream import Silence

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 2.0


class ErrandFailed(RemoteFailure):
    """The worker tried; its sentence says why it could not be done."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True, code="errand-failed")


def await_errand(client: Client, change: Change, kind: ErrandKind) -> Change:
    """The change after the errand. Raises ErrandFailed, and Conflict where the change is not open."""
    with client.stream() as stream:
        # Subscribed before it is asked for, so that its end can't be missed.
        stream.subscribe(SubscribeEvents(id="events", project_id=change.project_id, cursor=None))
        ask = client.merge_change if kind is ErrandKind.MERGE else client.close_change
        errand_id = ask(change.id).id
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        for heard in stream.hear(LOOK_SECONDS):
            if not isinstance(heard, ExecutionUpdate | Silence):
                continue
            now = client.change(change.id)
            if now.errand is not None and now.errand.id == errand_id:
                if now.errand.state is ErrandState.DONE:
                    return now
                if now.errand.state is ErrandState.FAILED:
                    raise ErrandFailed(now.errand.message or f"The {kind} failed.")
            if time.monotonic() > give_up_at:
                break
    raise ErrandFailed(
        f"No worker has done the {kind} in {PATIENCE_SECONDS:.0f} s; it stays asked for: see "
        f"'pullyard change show {change.id}'."
    )
