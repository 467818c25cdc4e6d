"""How a shared cap is split, so that those who spend from it together do not pass it; pure decisions.

Whoever spends holds a share, and begins a request only while the share is not used up. The shares that are
held and what is spent never exceed the cap together. So a cap is passed by what is under way when it is
reached, which is one request of each holder at most.
"""

from dataclasses import dataclass
from enum import StrEnum

LEAST_MICROS = 50_000
"""Less than this is not handed out while there is more, so that nobody asks before every request."""
LEAST_TOKENS = 20_000


class BudgetScope(StrEnum):
    TENANT = "tenant"
    PROJECT = "project"
    TASK = "task"
    """Each task, with all its tries."""
    EXECUTION = "execution"
    """Each execution."""


class BudgetPeriod(StrEnum):
    DAY = "day"
    MONTH = "month"
    TOTAL = "total"


class AllowanceState(StrEnum):
    OPEN = "open"
    WAIT = "wait"
    """Nothing is left to be held, but others may yet give back what they hold."""
    SPENT = "spent"
    """A person is asked; until then no request begins."""
    STOPPED = "stopped"
    """A person said that it shall not be lifted."""


@dataclass(frozen=True)
class Cap:
    """All of one unit, micros or tokens. ``held`` is what others were given and have not spent yet."""

    limit: int
    spent: int
    held: int = 0
    claimants: int = 0
    """Others that spend from the same cap."""

    @property
    def is_spent(self) -> bool:
        return self.spent >= self.limit

    @property
    def free(self) -> int:
        return max(0, self.limit - self.spent - self.held)

    def share(self, least: int) -> int:
        """What one more may hold: half of its fair part, so that something is left for who comes next."""
        fair = self.free // (2 * (self.claimants + 1))
        return min(self.free, max(fair, least))
