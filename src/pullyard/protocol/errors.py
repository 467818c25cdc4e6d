"""Errors by who must act. Everything else is a bug and rises to the handler at the process edge."""

from typing import Any


class PullyardError(Exception):
    """Its text is one sentence that says what to do; ``code`` is a stable word for programs."""

    def __init__(self, message: str, *, code: str = "error", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details or {}


class RequestError(PullyardError):
    """The caller must change the request. ``status`` is the HTTP status that says so."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid-request",
        status: int = 422,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message, code=code, details=details)
        self.status = status


class NotFound(RequestError):
    """What was asked for does not exist, or belongs to somebody else: the two are not told apart."""

    def __init__(self, what: str) -> None:
        super().__init__(f"There is no such {what}.", code="not-found", status=404)


class Conflict(PullyardError):
    """An illegal transition, a lost lease or a stale edit; ``details`` says what would be legal."""


class LostLease(Conflict):
    """The fence is stale: another execution may own the work. Stop, salvage, write nothing more."""

    def __init__(self) -> None:
        super().__init__("This execution is no longer yours: stop and salvage its work.", code="lost-lease")


class RemoteFailure(PullyardError):
    """A forge, a model, an engine or the coordinator did not do its part."""

    def __init__(self, message: str, *, retryable: bool, code: str = "remote-failure") -> None:
        super().__init__(message, code=code)
        self.retryable = retryable


class ProtocolViolation(PullyardError):
    """One side broke the protocol: ``local`` is True where it was this one."""

    def __init__(self, message: str, *, local: bool, code: str = "protocol-violation") -> None:
        super().__init__(message, code=code)
        self.local = local
