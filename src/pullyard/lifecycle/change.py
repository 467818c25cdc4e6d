"""The life of a change: a pull or merge request, or its stand-in on a bare repository."""

from collections.abc import Mapping
from enum import StrEnum


class ChangeState(StrEnum):
    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class ChangeEvent(StrEnum):
    MERGE = "merge"
    CLOSE = "close"


CHANGE_TRANSITIONS: Mapping[tuple[ChangeState, ChangeEvent], ChangeState] = {
    (ChangeState.OPEN, ChangeEvent.MERGE): ChangeState.MERGED,
    (ChangeState.OPEN, ChangeEvent.CLOSE): ChangeState.CLOSED,
}


class ErrandKind(StrEnum):
    """Work on an existing change that only a worker can do, because only it reaches the forge."""

    MERGE = "merge"
    CLOSE = "close"


class ErrandState(StrEnum):
    REQUESTED = "requested"
    ASSIGNED = "assigned"
    DONE = "done"
    FAILED = "failed"
