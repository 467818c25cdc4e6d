"""The life of a worker as the coordinator sees it."""

from collections.abc import Mapping
from enum import StrEnum


class WorkerState(StrEnum):
    OFFLINE = "offline"
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    QUARANTINED = "quarantined"


class WorkerEvent(StrEnum):
    CONNECT = "connect"
    TAKE = "take"
    REST = "rest"
    DRAIN = "drain"
    RESUME = "resume"
    DISCONNECT = "disconnect"
    QUARANTINE = "quarantine"
    RELEASE = "release"


WORKER_TRANSITIONS: Mapping[tuple[WorkerState, WorkerEvent], WorkerState] = {
    (WorkerState.OFFLINE, WorkerEvent.CONNECT): WorkerState.IDLE,
    (WorkerState.IDLE, WorkerEvent.CONNECT): WorkerState.IDLE,
    (WorkerState.BUSY, WorkerEvent.CONNECT): WorkerState.BUSY,
    (WorkerState.DRAINING, WorkerEvent.CONNECT): WorkerState.IDLE,
    (WorkerState.QUARANTINED, WorkerEvent.CONNECT): WorkerState.QUARANTINED,
    (WorkerState.IDLE, WorkerEvent.TAKE): WorkerState.BUSY,
    (WorkerState.BUSY, WorkerEvent.TAKE): WorkerState.BUSY,
    (WorkerState.BUSY, WorkerEvent.REST): WorkerState.IDLE,
    (WorkerState.IDLE, WorkerEvent.REST): WorkerState.IDLE,
    (WorkerState.DRAINING, WorkerEvent.REST): WorkerState.DRAINING,
    (WorkerState.IDLE, WorkerEvent.DRAIN): WorkerState.DRAINING,
    (WorkerState.BUSY, WorkerEvent.DRAIN): WorkerState.DRAINING,
    (WorkerState.DRAINING, WorkerEvent.DRAIN): WorkerState.DRAINING,
    (WorkerState.DRAINING, WorkerEvent.RESUME): WorkerState.IDLE,
    (WorkerState.QUARANTINED, WorkerEvent.RELEASE): WorkerState.OFFLINE,
    **{
        (state, WorkerEvent.DISCONNECT): WorkerState.OFFLINE
        for state in WorkerState
        if state is not WorkerState.QUARANTINED
    },
    **{(state, WorkerEvent.QUARANTINE): WorkerState.QUARANTINED for state in WorkerState},
}
