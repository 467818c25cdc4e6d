"""Why an execution ended badly: a closed set, each with who is at fault and whether a retry can mend it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pullyard.lifecycle.execution import ExecutionEvent


class Fault(StrEnum):
    """Whose doing a failure is: the one who has to act."""

    TASK = "task"
    AGENT = "agent"
    PROJECT = "project"
    WORKER = "worker"
    FORGE = "forge"
    PROVIDER = "provider"
    COORDINATOR = "coordinator"
    PERSON = "person"


class Reason(StrEnum):
    REPOSITORY_UNREACHABLE = "repository_unreachable"
    REPOSITORY_EMPTY = "repository_empty"
    BASE_BRANCH_MISSING = "base_branch_missing"
    SETUP_FAILED = "setup_failed"
    SANDBOX_UNAVAILABLE = "sandbox_unavailable"
    AGENT_MISSING = "agent_missing"
    AGENT_FAILED = "agent_failed"
    AGENT_TIMED_OUT = "agent_timed_out"
    OUTPUT_TOO_LARGE = "output_too_large"
    LIMIT_REACHED = "limit_reached"
    NO_CHANGE = "no_change"
    HARVEST_REFUSED = "harvest_refused"
    COMMAND_FAILED = "command_failed"
    VERIFY_FAILED = "verify_failed"
    VERIFY_TIMED_OUT = "verify_timed_out"
    PUSH_REFUSED = "push_refused"
    FORGE_FAILED = "forge_failed"
    FORGE_REFUSED = "forge_refused"
    PROVIDER_FAILED = "provider_failed"
    BUDGET_SPENT = "budget_spent"
    BUDGET_PAUSED = "budget_paused"
    QUOTA_REACHED = "quota_reached"
    DISK_FULL = "disk_full"
    POLICY_REFUSED = "policy_refused"
    PHASE_TIMED_OUT = "phase_timed_out"
    REJECTED = "rejected"
    UNANSWERED = "unanswered"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    LEASE_EXPIRED = "lease_expired"
    GRANT_UNACKNOWLEDGED = "grant_unacknowledged"
    TAKEN_BACK = "taken_back"
    WORKER_BUG = "worker_bug"


@dataclass(frozen=True)
class ReasonFacts:
    fault: Fault
    retryable: bool
    counts_as_try: bool = True
    """False where the task had no fair chance: it goes back to the queue without using up a retry."""
    ends_as: ExecutionEvent = ExecutionEvent.FAIL


_TIMED_OUT = ExecutionEvent.TIME_OUT

REASONS: Mapping[Reason, ReasonFacts] = {
    Reason.REPOSITORY_UNREACHABLE: ReasonFacts(Fault.PROJECT, retryable=True),
    Reason.REPOSITORY_EMPTY: ReasonFacts(Fault.PROJECT, retryable=False),
    Reason.BASE_BRANCH_MISSING: ReasonFacts(Fault.TASK, retryable=False),
    Reason.SETUP_FAILED: ReasonFacts(Fault.PROJECT, retryable=False),
    Reason.SANDBOX_UNAVAILABLE: ReasonFacts(Fault.WORKER, retryable=True),
    Reason.AGENT_MISSING: ReasonFacts(Fault.WORKER, retryable=False),
    Reason.AGENT_FAILED: ReasonFacts(Fault.AGENT, retryable=True),
    Reason.AGENT_TIMED_OUT: ReasonFacts(Fault.AGENT, retryable=True, ends_as=_TIMED_OUT),
    Reason.OUTPUT_TOO_LARGE: ReasonFacts(Fault.AGENT, retryable=False),
    # The same work would run into the same limit: its project has to raise it, or the task to ask for less.
    Reason.LIMIT_REACHED: ReasonFacts(Fault.PROJECT, retryable=False),
    Reason.NO_CHANGE: ReasonFacts(Fault.AGENT, retryable=False),
    Reason.HARVEST_REFUSED: ReasonFacts(Fault.AGENT, retryable=False),
    Reason.COMMAND_FAILED: ReasonFacts(Fault.AGENT, retryable=True),
    Reason.VERIFY_FAILED: ReasonFacts(Fault.AGENT, retryable=True),
    Reason.VERIFY_TIMED_OUT: ReasonFacts(Fault.AGENT, retryable=False, ends_as=_TIMED_OUT),
    Reason.PUSH_REFUSED: ReasonFacts(Fault.FORGE, retryable=True),
    Reason.FORGE_FAILED: ReasonFacts(Fault.FORGE, retryable=True),
    # Somebody has to give the worker's account a right or a token first.
    Reason.FORGE_REFUSED: ReasonFacts(Fault.FORGE, retryable=False),
    Reason.PROVIDER_FAILED: ReasonFacts(Fault.PROVIDER, retryable=True),
    Reason.BUDGET_SPENT: ReasonFacts(Fault.TASK, retryable=False),
    # A budget that it shares was spent and nobody raised it in time: its task waits in the queue for that.
    Reason.BUDGET_PAUSED: ReasonFacts(Fault.PERSON, retryable=True, counts_as_try=False),
    # Its task is given out again when the provider's limit on the credential ends.
    Reason.QUOTA_REACHED: ReasonFacts(Fault.PROVIDER, retryable=True, counts_as_try=False),
    Reason.DISK_FULL: ReasonFacts(Fault.WORKER, retryable=True),
    Reason.POLICY_REFUSED: ReasonFacts(Fault.PROJECT, retryable=False),
    Reason.PHASE_TIMED_OUT: ReasonFacts(Fault.PROJECT, retryable=True, ends_as=_TIMED_OUT),
    Reason.REJECTED: ReasonFacts(Fault.PERSON, retryable=False),
    Reason.UNANSWERED: ReasonFacts(Fault.PERSON, retryable=False, ends_as=_TIMED_OUT),
    Reason.CANCELLED: ReasonFacts(
        Fault.PERSON, retryable=False, counts_as_try=False, ends_as=ExecutionEvent.CANCEL
    ),
    Reason.INTERRUPTED: ReasonFacts(Fault.WORKER, retryable=True, counts_as_try=False),
    Reason.LEASE_EXPIRED: ReasonFacts(
        Fault.WORKER, retryable=True, counts_as_try=False, ends_as=ExecutionEvent.LOSE
    ),
    Reason.GRANT_UNACKNOWLEDGED: ReasonFacts(
        Fault.COORDINATOR, retryable=True, counts_as_try=False, ends_as=ExecutionEvent.LOSE
    ),
    # A person took it from its worker, to have it done by another or once more.
    Reason.TAKEN_BACK: ReasonFacts(
        Fault.PERSON, retryable=True, counts_as_try=False, ends_as=ExecutionEvent.LOSE
    ),
    Reason.WORKER_BUG: ReasonFacts(Fault.WORKER, retryable=True),
}
