"""What happens after an execution: retry or not, and when; pure decisions over plain values."""

from dataclasses import dataclass
from datetime import timedelta

from pullyard.lifecycle.reasons import REASONS, Reason

MAX_UNCOUNTED_TRIES = 10
"""A task that never gets a fair chance this often is failed, so that a broken worker can't loop for ever."""


@dataclass(frozen=True)
class RetryPolicy:
    max_tries: int = 1
    """Executions that count, the first included; 1 means no retry."""
    backoff_seconds: float = 5.0
    """Wait before the second try; doubled for each further one."""
    backoff_limit_seconds: float = 300.0
    resume: bool = False
    """Go on from the work that the failed try has saved, where it saved any; else from the start."""
    another_worker: bool = False
    """Not on the worker of the failed try, for a while and where another one could take it."""


@dataclass(frozen=True)
class Retry:
    """Try again after ``delay``; zero puts the task straight back into the queue."""

    delay: timedelta
    counts: bool


def decide_retry(policy: RetryPolicy, reason: Reason, tries: int, uncounted_tries: int) -> Retry | None:
    """Decide on a task whose execution ended with ``reason``; None means that the task has failed.

    ``tries`` and ``uncounted_tries`` are the ended executions so far, this one included in the one
    that its reason says.
    """
    facts = REASONS[reason]
    if not facts.retryable:
        return None
    if not facts.counts_as_try:
        return Retry(timedelta(0), counts=False) if uncounted_tries <= MAX_UNCOUNTED_TRIES else None
    if tries >= policy.max_tries:
        return None
    wait = min(policy.backoff_seconds * 2 ** (tries - 1), policy.backoff_limit_seconds)
    return Retry(timedelta(seconds=wait), counts=True)
