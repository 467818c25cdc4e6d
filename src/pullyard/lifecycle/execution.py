"""The life of an execution: one try at a task, walked phase by phase by one worker."""

from collections.abc import Mapping
from enum import StrEnum


class ExecutionState(StrEnum):
    ASSIGNED = "assigned"
    PREPARING = "preparing"
    IMPLEMENTING = "implementing"
    VERIFYING = "verifying"
    PUBLISHING = "publishing"
    WAITING_INPUT = "waiting_input"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    LOST = "lost"


class ExecutionEvent(StrEnum):
    PREPARE = "prepare"
    IMPLEMENT = "implement"
    VERIFY = "verify"
    PUBLISH = "publish"
    ASK = "ask"
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    TIME_OUT = "time_out"
    LOSE = "lose"


class Phase(StrEnum):
    """The named steps of an execution; each has its own timing, log stream and time limit."""

    PREPARE = "prepare"
    IMPLEMENT = "implement"
    VERIFY = "verify"
    PUBLISH = "publish"


LIVE_EXECUTION_STATES = frozenset(
    {
        ExecutionState.ASSIGNED,
        ExecutionState.PREPARING,
        ExecutionState.IMPLEMENTING,
        ExecutionState.VERIFYING,
        ExecutionState.PUBLISHING,
        ExecutionState.WAITING_INPUT,
    }
)
FINAL_EXECUTION_STATES = frozenset(ExecutionState) - LIVE_EXECUTION_STATES

_ENDINGS = {
    ExecutionEvent.FAIL: ExecutionState.FAILED,
    ExecutionEvent.CANCEL: ExecutionState.CANCELLED,
    ExecutionEvent.TIME_OUT: ExecutionState.TIMED_OUT,
    ExecutionEvent.LOSE: ExecutionState.LOST,
}

EXECUTION_TRANSITIONS: Mapping[tuple[ExecutionState, ExecutionEvent], ExecutionState] = {
    (ExecutionState.ASSIGNED, ExecutionEvent.PREPARE): ExecutionState.PREPARING,
    (ExecutionState.PREPARING, ExecutionEvent.IMPLEMENT): ExecutionState.IMPLEMENTING,
    (ExecutionState.IMPLEMENTING, ExecutionEvent.VERIFY): ExecutionState.VERIFYING,
    (ExecutionState.VERIFYING, ExecutionEvent.PUBLISH): ExecutionState.PUBLISHING,
    # A person may be asked before anything is published; an answer leads back into the phase that asked.
    (ExecutionState.PREPARING, ExecutionEvent.ASK): ExecutionState.WAITING_INPUT,
    (ExecutionState.IMPLEMENTING, ExecutionEvent.ASK): ExecutionState.WAITING_INPUT,
    (ExecutionState.VERIFYING, ExecutionEvent.ASK): ExecutionState.WAITING_INPUT,
    (ExecutionState.WAITING_INPUT, ExecutionEvent.PREPARE): ExecutionState.PREPARING,
    (ExecutionState.WAITING_INPUT, ExecutionEvent.IMPLEMENT): ExecutionState.IMPLEMENTING,
    (ExecutionState.WAITING_INPUT, ExecutionEvent.VERIFY): ExecutionState.VERIFYING,
    (ExecutionState.PUBLISHING, ExecutionEvent.SUCCEED): ExecutionState.SUCCEEDED,
    # What rightly changes nothing leaves nothing to verify or to publish.
    (ExecutionState.IMPLEMENTING, ExecutionEvent.SUCCEED): ExecutionState.SUCCEEDED,
    # A workflow may end with the proof alone.
    (ExecutionState.VERIFYING, ExecutionEvent.SUCCEED): ExecutionState.SUCCEEDED,
    **{(state, event): ending for state in LIVE_EXECUTION_STATES for event, ending in _ENDINGS.items()},
}

PHASE_EVENTS: Mapping[Phase, ExecutionEvent] = {
    Phase.PREPARE: ExecutionEvent.PREPARE,
    Phase.IMPLEMENT: ExecutionEvent.IMPLEMENT,
    Phase.VERIFY: ExecutionEvent.VERIFY,
    Phase.PUBLISH: ExecutionEvent.PUBLISH,
}

PHASE_STATES: Mapping[Phase, ExecutionState] = {
    Phase.PREPARE: ExecutionState.PREPARING,
    Phase.IMPLEMENT: ExecutionState.IMPLEMENTING,
    Phase.VERIFY: ExecutionState.VERIFYING,
    Phase.PUBLISH: ExecutionState.PUBLISHING,
}
