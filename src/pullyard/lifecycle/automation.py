"""Whether a project's tasks are taken from the queue at all."""

from collections.abc import Mapping
from enum import StrEnum


class AutomationState(StrEnum):
    STOPPED = "stopped"
    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"


class AutomationEvent(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    HALT = "halt"


AUTOMATION_TRANSITIONS: Mapping[tuple[AutomationState, AutomationEvent], AutomationState] = {
    (AutomationState.STOPPED, AutomationEvent.START): AutomationState.RUNNING,
    (AutomationState.RUNNING, AutomationEvent.START): AutomationState.RUNNING,
    (AutomationState.RUNNING, AutomationEvent.PAUSE): AutomationState.PAUSED,
    (AutomationState.PAUSED, AutomationEvent.PAUSE): AutomationState.PAUSED,
    (AutomationState.PAUSED, AutomationEvent.RESUME): AutomationState.RUNNING,
    (AutomationState.RUNNING, AutomationEvent.RESUME): AutomationState.RUNNING,
    (AutomationState.HALTED, AutomationEvent.RESUME): AutomationState.RUNNING,
    (AutomationState.RUNNING, AutomationEvent.STOP): AutomationState.STOPPED,
    (AutomationState.PAUSED, AutomationEvent.STOP): AutomationState.STOPPED,
    (AutomationState.HALTED, AutomationEvent.STOP): AutomationState.STOPPED,
    (AutomationState.STOPPED, AutomationEvent.STOP): AutomationState.STOPPED,
    (AutomationState.RUNNING, AutomationEvent.HALT): AutomationState.HALTED,
    # What still ran when it was paused may fail, and a resume must not pass over that unseen.
    (AutomationState.PAUSED, AutomationEvent.HALT): AutomationState.HALTED,
    (AutomationState.HALTED, AutomationEvent.HALT): AutomationState.HALTED,
}
