"""What can go wrong with a forge's API, by name; every message says what to do."""

from pullyard.protocol.errors import RemoteFailure, RequestError


class ForgeNotConfigured(RequestError):
    """The worker's owner has to say something about a host first; another worker may know it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="forge-not-configured")


class ForgeRefused(RemoteFailure):
    """The forge answered, and said no; ``status`` is HTTP's, ``said`` the forge's own words."""

    def __init__(self, message: str, *, status: int, said: str, code: str = "forge-refused") -> None:
        super().__init__(message, retryable=False, code=code)
        self.status = status
        self.said = said


class ForgeUnsure(RemoteFailure):
    """A request that may have been done all the same: its answer was lost."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True, code="forge-unsure")


class ForgeBusy(RemoteFailure):
    """The forge does not take more requests now, or does not answer; ``seconds`` is how long at least."""

    def __init__(self, message: str, *, seconds: float = 0.0) -> None:
        super().__init__(message, retryable=True, code="forge-busy")
        self.seconds = seconds


class AnswerTooLong(RemoteFailure):
    """``last`` is the number of the list's last page, where the forge names it."""

    def __init__(self, message: str, last: int | None) -> None:
        super().__init__(message, retryable=False, code="forge-answer-too-long")
        self.last = last
