"""How an execution's phases end early: one exception inside the worker, and what maps to it."""

from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import PullyardError


class PhaseFailed(PullyardError):
    """The phase can't go on; its message is the sentence that the user reads."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, code=reason.value)
        self.reason = reason


class Stopped(PullyardError):
    """Somebody or something asked for an end: cancel, drain, lost lease. ``reason`` None reports nothing."""

    def __init__(self, reason: Reason | None, message: str) -> None:
        super().__init__(message, code=reason.value if reason else "lost-lease")
        self.reason = reason
