"""What the program's exit code means; documented in docs/reference/cli.md."""

from enum import IntEnum

from pullyard.protocol.errors import Conflict, PullyardError, RequestError


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    """The task or the operation failed."""
    USAGE = 2
    """The command line or a value in it is wrong."""
    CONFLICT = 3
    """Not found, or in a state that does not allow it."""
    UNREACHABLE = 4
    """No coordinator answers."""
    UNAUTHENTICATED = 5
    """The token is missing, wrong, expired or revoked."""
    INTERRUPTED = 130


_BY_STATUS = {401: ExitCode.UNAUTHENTICATED, 403: ExitCode.UNAUTHENTICATED, 404: ExitCode.CONFLICT}
# Raised by floors that know nothing of conflicts over HTTP.
_TAKEN = frozenset({"port-taken", "data-in-use"})


def of_error(error: PullyardError) -> ExitCode:
    if isinstance(error, Conflict) or error.code in _TAKEN:
        return ExitCode.CONFLICT
    if isinstance(error, RequestError):
        return _BY_STATUS.get(error.status, ExitCode.USAGE)
    # By its word and not by its class, so that the program starts without the HTTP client.
    return ExitCode.UNREACHABLE if error.code == "unreachable" else ExitCode.FAILED
