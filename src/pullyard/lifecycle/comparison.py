"""Several tasks with the same text, done by different agents, of which one is chosen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LEAST_CANDIDATES = 2
MOST_CANDIDATES = 8


class ComparisonState(StrEnum):
    RUNNING = "running"
    READY = "ready"
    """Every candidate has ended, and there is one to choose."""
    FAILED = "failed"
    """Every candidate has ended, and none has a change that could be chosen."""
    CHOSEN = "chosen"
    CANCELLED = "cancelled"


class ChoiceRule(StrEnum):
    """Who chooses."""

    MANUAL = "manual"
    """A person."""
    FIRST_PASSING = "first-passing"
    """As soon as one passes its verification: of those that do, the one that ended first."""
    CHEAPEST_PASSING = "cheapest-passing"
    """Once all have ended: of those that pass, the one that cost least."""


class Decider(StrEnum):
    """What a comparison was decided by."""

    PERSON = "person"
    RULE = "rule"
    MERGE = "merge"
    """A candidate's change was merged on its forge."""


@dataclass(frozen=True)
class Candidate:
    task_id: str
    number: int
    ended: bool
    delivered: bool
    """It has a change that is open or merged."""
    passed: bool
    """It is delivered, and every command of its verification passed; one without commands did not pass."""
    finished_at: datetime | None
    cost_micros: int
    """Of all its tries."""
    metered: bool
    """Whether any tokens were counted: what was not counted has no known cost."""
    changed_lines: int


def comparison_state(
    candidates: Sequence[Candidate], *, decided: bool, chosen_task_id: str | None
) -> ComparisonState:
    if decided:
        return ComparisonState.CANCELLED if chosen_task_id is None else ComparisonState.CHOSEN
    if not all(one.ended for one in candidates):
        return ComparisonState.RUNNING
    return ComparisonState.READY if any(one.delivered for one in candidates) else ComparisonState.FAILED


def choice_by_rule(rule: ChoiceRule, candidates: Sequence[Candidate]) -> str | None:
    """The task that the rule chooses now; None where it waits for more, or leaves it to a person.

    Ties go to the fewer changed lines, and then to the lower number. A cost that is not known can't be
    compared, so the cheapest is a person's to choose where a candidate that passed was not metered.
    """
    passed = [one for one in candidates if one.passed]
    if not passed or rule is ChoiceRule.MANUAL:
        return None
    if rule is ChoiceRule.FIRST_PASSING:
        return first_of(passed)
    comparable = all(one.ended for one in candidates) and all(one.metered for one in passed)
    return cheapest_of(passed) if comparable else None


def cheapest_of(passed: Sequence[Candidate]) -> str:
    return min((one.cost_micros, one.changed_lines, one.number, one.task_id) for one in passed)[-1]


def first_of(passed: Sequence[Candidate]) -> str:
    ended = [(one.finished_at, one.changed_lines, one.number, one.task_id) for one in passed]
    return min(one for one in ended if one[0] is not None)[-1]
