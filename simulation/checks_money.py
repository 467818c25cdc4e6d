"""What must hold of money: held against what the provider sold, never against the code's own sums."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pullyard.protocol.worker import (
    FinishRequest,
    HeartbeatAnswer,
    HeartbeatRequest,
    SpendingRequest,
    Usage,
)
from simulation.memory import Row, Tables
from simulation.money import SHARED, Provider
from simulation.network import Reply
from simulation.statements_spending import UNITS, in_period, tokens_of

PARTS = ("input_tokens", "output_tokens", "cost_micros")
TOLD_BY_WORKER = ("succeeded", "failed", "cancelled", "timed_out")
SLACK_SECONDS = 3.0
"""A window's end is told as a distance, by a clock of its own."""


@dataclass
class MoneyOracle:
    tables: Tables
    provider: Provider
    now: Callable[[], float]
    clock: Callable[[], float]
    """The provider's, which is the loop's."""
    violated: Callable[[str], None]
    interruption_seconds: float
    acknowledged: dict[str, Usage] = field(default_factory=dict[str, Usage])
    """What a worker was answered to have told."""
    spent_since: dict[str, float] = field(default_factory=dict[str, float])
    """By budget."""
    holders: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Executions that may have been asking when it was passed, or later."""
    closed: dict[str, float] = field(default_factory=dict[str, float])
    """Budgets of which a report was answered after they were spent, and when."""
    limited: dict[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    """When the limit ends that a task ran into on a worker."""

    # After every commit.

    def committed(self, before: dict[tuple[str, Any], Row | None]) -> None:
        touched = {table for table, _ in before}
        for (table, key), old in before.items():
            if table == "task_executions":
                self._execution(old, self.tables.task_executions[key])
            elif table == "tasks" and old is not None and old["finished_at"] is not None:
                # A person wants it now.
                self.limited = {pair: end for pair, end in self.limited.items() if pair[0] != key}
        if touched & {"spending", "budgets"}:
            self._sums()
            for budget in self.tables.budgets.values():
                self._bound(in_period(self.tables, budget))

    def _execution(self, old: Row | None, new: Row) -> None:
        if old is None:
            self._claimed(new)
            return
        sold = self.provider.used.get(new["id"], Usage())
        known = self.acknowledged.get(new["id"], Usage())
        for part in PARTS:
            if new[part] > getattr(sold, part):
                self.violated(f"{new['id']} is counted {new[part]} {part} and has used {getattr(sold, part)}")
            if new[part] < getattr(known, part):
                self.violated(f"{new['id']} was heard to use {getattr(known, part)} {part}, not {new[part]}")
        if new["finished_at"] is not None and old["finished_at"] is None:
            self._ended(new, sold)

    def _ended(self, execution: Row, sold: Usage) -> None:
        told = execution["state"] in TOLD_BY_WORKER and execution["id"] not in self.provider.unsure
        if told and any(execution[part] != getattr(sold, part) for part in PARTS):
            self.violated(f"{execution['id']} has ended and is not counted all that it used")
        if execution["reason"] == "quota_reached":
            end = self.provider.limits[execution["id"]]
            self.limited[execution["task_id"], execution["worker_id"]] = end

    def _claimed(self, execution: Row) -> None:
        for budget in self.tables.budgets.values():
            bounds = budget["project_id"] in (None, execution["project_id"])
            closed = self.closed.get(budget["id"])
            still = is_spent(in_period(self.tables, budget))
            if bounds and still and closed is not None and closed < self.clock() - self._snapshot(budget):
                self.violated(f"{execution['id']} was begun on {budget['id']}, which is spent")
        end = self.limited.get((execution["task_id"], execution["worker_id"]), 0.0)
        if self.clock() < end - SLACK_SECONDS:
            self.violated(
                f"{execution['id']} was given out {end - self.clock():.1f} s before the limit's end"
            )

    def _snapshot(self, budget: Row) -> float:
        """The age of what a claim goes by, at most: of a project it looks again under its lock."""
        return 0.0 if budget["project_id"] is not None else self.interruption_seconds + 0.1

    def _sums(self) -> None:
        tables = self.tables
        for unit, amount in (("micros", micros_of), ("tokens", tokens_of)):
            counted = sum(row[unit] for row in tables.spending.values())
            held = sum(map(amount, tables.task_executions.values()))
            if counted != held:
                self.violated(f"{counted} {unit} are counted, and the executions have used {held}")
        for budget in tables.budgets.values():
            if budget["scope"] in SHARED:
                self._budget(budget)

    def _budget(self, budget: Row) -> None:
        days = [
            row
            for (project_id, day), row in self.tables.spending.items()
            if budget["project_id"] in (None, project_id) and day >= budget["period_start"]
        ]
        if budget["period"] == "day" and budget["period_start"] != self.tables.today():
            return
        for unit in UNITS:
            counted = sum(row[unit] for row in days)
            if budget[f"spent_{unit}"] != counted:
                self.violated(
                    f"{budget['id']} says {budget[f'spent_{unit}']} {unit}, and {counted} were spent"
                )

    def _bound(self, budget: Row) -> None:
        """No more than its limit, and one request of each execution."""
        if budget["scope"] not in SHARED:
            return
        asking = {
            one["id"]
            for one in self.tables.task_executions.values()
            if budget["project_id"] in (None, one["project_id"])
            and (one["finished_at"] is None or one["finished_at"] >= self.now())
        }
        if not is_spent(budget):
            self.holders[budget["id"]] = asking
            self.spent_since.pop(budget["id"], None)
            self.closed.pop(budget["id"], None)
            return
        self.spent_since.setdefault(budget["id"], self.clock())
        holders = self.holders.setdefault(budget["id"], set())
        holders |= asking
        for unit, limit in limits_of(budget).items():
            if budget[f"spent_{unit}"] > limit + sum(self._largest(one, unit) for one in holders):
                self.violated(f"{budget['id']} of {limit} {unit} is at {budget[f'spent_{unit}']}")

    def _largest(self, execution_id: str, unit: str) -> int:
        largest = self.provider.largest.get(execution_id, Usage())
        return largest.cost_micros if unit == "micros" else largest.input_tokens + largest.output_tokens

    # Told by the network.

    def heard(self, path: str, body: bytes, reply: Reply, began: float) -> None:
        """An answer says that all which came before it is kept, and that what is spent is closed."""
        if reply.status_code != 200:
            return
        told = self._told(path, body, reply)
        for execution_id, usage in told.items():
            known = self.acknowledged.get(execution_id, Usage())
            parts = {part: max(getattr(known, part), getattr(usage, part)) for part in PARTS}
            self.acknowledged[execution_id] = Usage(**parts)
        projects = {self.tables.task_executions[one]["project_id"] for one in told}
        for budget_id, since in self.spent_since.items():
            ours = self.tables.budgets[budget_id]["project_id"]
            if since <= began and (ours in projects or (ours is None and told)):
                self.closed.setdefault(budget_id, self.clock())

    def _told(self, path: str, body: bytes, reply: Reply) -> dict[str, Usage]:
        if path.endswith("/spending"):
            request = msgspec.json.decode(body, type=SpendingRequest)
            return {path.split("/")[-2]: request.spending.usage}
        if path.endswith("/finish"):
            usage = msgspec.json.decode(body, type=FinishRequest).usage
            return {} if usage == Usage() else {path.split("/")[-2]: usage}
        if path.endswith("/heartbeat"):
            held = msgspec.json.decode(body, type=HeartbeatRequest).executions
            heard = msgspec.json.decode(reply.content, type=HeartbeatAnswer).allowances
            return {
                one.execution_id: one.spending.usage
                for one in held
                if one.spending is not None and one.execution_id in heard
            }
        return {}


def limits_of(budget: Row) -> dict[str, int]:
    return {
        unit: budget[f"limit_{unit}"] + budget[f"extra_{unit}"]
        for unit in UNITS
        if budget[f"limit_{unit}"] is not None
    }


def is_spent(budget: Row) -> bool:
    """As of the period that it is of."""
    return any(budget[f"spent_{unit}"] >= limit for unit, limit in limits_of(budget).items())


def micros_of(execution: Row) -> int:
    micros: int = execution["cost_micros"]
    return micros
