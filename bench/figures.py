"""A measured value beside what it is compared with, and whether it meets its goal."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A bound on the ratio, or on the value itself where ``of_value``; one sort of bound at a time."""

    bound: float
    at_most: bool = True
    of_value: bool = False

    def met(self, value: float, ratio: float | None) -> bool:
        measured = value if self.of_value or ratio is None else ratio
        return measured <= self.bound if self.at_most else measured >= self.bound

    def text(self, unit: str) -> str:
        sign = "<=" if self.at_most else ">="
        return f"{sign} {self.bound:g} {unit}" if self.of_value else f"{sign} {self.bound:g}x"


@dataclass(frozen=True)
class Figure:
    """Without a goal it is there to explain another figure. ``against`` says what the ratio is to."""

    figure: str
    value: float | None
    """None where it was not measured; ``conditions`` then says why."""
    unit: str
    against: str | None = None
    against_value: float | None = None
    goal: Goal | None = None
    inverse: bool = False
    """The ratio is how many times faster than the comparison this is, not how many times slower."""
    conditions: str = ""
    """What has to be known to read this one: sizes, counts, durability, what the other leaves out."""
    failed: bool = False
    """It was to be measured and could not be; ``conditions`` then says what went wrong."""

    @property
    def ratio(self) -> float | None:
        if self.value is None or not self.against_value or not self.value:
            return None
        return self.against_value / self.value if self.inverse else self.value / self.against_value

    @property
    def met(self) -> bool | None:
        return None if self.goal is None or self.value is None else self.goal.met(self.value, self.ratio)

    def document(self) -> dict[str, object]:
        return {
            "figure": self.figure,
            "value": None if self.value is None else round(self.value, 3),
            "unit": self.unit,
            "against": self.against,
            "against_value": None if self.against_value is None else round(self.against_value, 3),
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "goal": self.goal.text(self.unit) if self.goal else None,
            "met": self.met,
            "conditions": self.conditions,
            "failed": self.failed,
        }


def not_measured(figure: str, why: str) -> Figure:
    return Figure(figure, None, "", conditions=why)


def failed(figure: str, error: BaseException) -> Figure:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    why = f"failed: {type(error).__name__}: {error}"
    return Figure(figure, None, "", conditions=why[:300], failed=True)


def percentile_ms(seconds: Sequence[float], percent: float) -> float:
    """The value that so many percent of the measurements do not exceed."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


def median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1000
