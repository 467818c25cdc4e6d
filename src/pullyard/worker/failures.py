"""How an execution's phases end early, and the one table from errors to reasons."""

import errno

from pullyard.agents.protocol import AgentMissing
from pullyard.forges.errors import ForgeNotConfigured, ForgeRefused
from pullyard.git.errors import BaseBranchMissing, PushRefused, RepositoryEmpty, RepositoryUnreachable
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import PullyardError, RemoteFailure, RequestError
from pullyard.sandboxes.protocol import SandboxLost, SandboxUnavailable
from pullyard.worker.harvest_rules import HarvestRefused

FULL = {errno.ENOSPC, errno.EDQUOT}


class PhaseFailed(PullyardError):
    """The phase can't go on; its message is the sentence that the user reads."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message, code=reason.value)
        self.reason = reason


class Stopped(PullyardError):
    """Somebody or something asked for an end; ``reason`` None means that the execution is lost."""

    def __init__(self, reason: Reason | None, message: str) -> None:
        super().__init__(message, code=reason.value if reason else "lost-lease")
        self.reason = reason


def disk_full() -> PhaseFailed:
    return PhaseFailed(Reason.DISK_FULL, "The worker's disk is full: make room there, then retry the task.")


# The first row that fits wins: narrow errors stand before those that they derive from.
_REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (RepositoryUnreachable, Reason.REPOSITORY_UNREACHABLE),
    (RepositoryEmpty, Reason.REPOSITORY_EMPTY),
    (BaseBranchMissing, Reason.BASE_BRANCH_MISSING),
    (PushRefused, Reason.PUSH_REFUSED),
    (HarvestRefused, Reason.HARVEST_REFUSED),
    (AgentMissing, Reason.AGENT_MISSING),
    # Like a restart of the worker itself: nobody's fault who has to be told to mend it first.
    (SandboxLost, Reason.INTERRUPTED),
    (SandboxUnavailable, Reason.SANDBOX_UNAVAILABLE),
    (ForgeNotConfigured, Reason.FORGE_REFUSED),
    (ForgeRefused, Reason.FORGE_REFUSED),
    (RequestError, Reason.POLICY_REFUSED),
    (RemoteFailure, Reason.FORGE_FAILED),
)


def as_failure(error: Exception) -> PhaseFailed:
    """What an error of a phase means for the user; an error that nobody expected is a worker's bug."""
    if isinstance(error, PhaseFailed):
        return error
    if isinstance(error, OSError) and error.errno in FULL:
        return disk_full()
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return PhaseFailed(reason, str(error))
    return PhaseFailed(Reason.WORKER_BUG, f"The worker could not go on: {error}.")
