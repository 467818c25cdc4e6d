"""One execution's account with its model provider."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from pullyard.agents.protocol import Verdict
from pullyard.lifecycle.money import dollars
from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.worker import Usage, amount
from pullyard.worker.gateway.limits import RateLimited
from pullyard.worker.gateway.share import Share, ShareSpent
from pullyard.worker.gateway.windows import QuotaReached, Windows

MOST_SOURCES = 20
"""Of one step; what more models used is told as of others."""
OTHERS = ("", "others")


class BudgetSpent(Exception):
    """The execution has nothing left for another request; the message says of what."""


@dataclass(frozen=True)
class Failure:
    """The provider did not do its part: its status, 0 where it could not be reached, and a sentence."""

    status: int
    message: str
    limited: RateLimited | None = None
    """Where it was a limit on the credential, which ends by itself."""


@dataclass
class Ledger:
    """``budget_micros`` None is no limit. The spending may pass the budget by one request at most."""

    budget_micros: int | None = None
    usage: Usage = field(default_factory=Usage)
    requests: int = 0
    sources: dict[tuple[str, str], Usage] = field(default_factory=dict[tuple[str, str], Usage])
    """What of ``usage`` is of which provider and model."""
    refused: int = 0
    """Requests that the budget stopped; above zero, the execution ran out of money."""
    failure: Failure | None = None
    """The provider's last failure; None once a later request went well."""
    windows: Windows = field(default_factory=Windows)
    """The limits of its provider on the worker's credentials."""
    execution_id: str = ""
    quota: RateLimited | None = None
    """The limit that was too long to be waited for."""
    share: Share | None = None
    """Of the caps that the coordinator splits; None where there is no coordinator to ask."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """The share is spent and nobody adds to it: the step has to be ended, whatever its agent does."""
    _reserved_micros: int = 0
    _settled: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def reserve(self, most_micros: int, most_tokens: int = 0) -> AsyncIterator[None]:
        """Holds the most that a request may use while it runs. Raises BudgetSpent.

        A request waits while those under way could use up the budget: so only the last one can pass it.
        """
        while not await self._take(most_micros, most_tokens):
            assert self.share is not None
            try:
                await self.share.more()
            except ShareSpent as spent:
                self.refused += 1
                self.over.set()
                raise BudgetSpent(str(spent)) from spent
        try:
            yield
        finally:
            # Not awaited under the lock's own wait: a cancelled exchange must settle all the same.
            self._hold(-most_micros, -most_tokens)
            await asyncio.shield(self._wake())

    async def _take(self, most_micros: int, most_tokens: int) -> bool:
        """False where more of what is shared has to be asked for first."""
        async with self._settled:
            await self._settled.wait_for(self._may_decide)
            if self.budget_micros is not None and self.usage.cost_micros >= self.budget_micros:
                self.refused += 1
                raise BudgetSpent(f"The task's model budget of {dollars(self.budget_micros)} is spent.")
            if self.share is not None and not self.share.covers():
                return False
            self._hold(most_micros, most_tokens)
            return True

    def _hold(self, micros: int, tokens: int) -> None:
        self._reserved_micros += micros
        if self.share is not None:
            self.share.reserved_micros += micros
            self.share.reserved_tokens += tokens

    def record(
        self, prompt_tokens: int, output_tokens: int, cost_micros: int, *, source: tuple[str, str] = ("", "")
    ) -> None:
        """``source`` is the provider and the model, as an answer may have named it."""
        self.requests += 1
        used = self.sources.get(source)
        if used is None:
            known = len(self.sources) < MOST_SOURCES
            used = self.sources.setdefault(source if known else OTHERS, Usage())
        used.input_tokens = amount(used.input_tokens + prompt_tokens)
        used.output_tokens = amount(used.output_tokens + output_tokens)
        used.cost_micros = amount(used.cost_micros + cost_micros)
        # In place: the share counts what is spent here.
        self.usage.input_tokens = amount(self.usage.input_tokens + prompt_tokens)
        self.usage.output_tokens = amount(self.usage.output_tokens + output_tokens)
        self.usage.cost_micros = amount(self.usage.cost_micros + cost_micros)

    async def passes(self, credential: str) -> None:
        """Waits for the end of a limit on the credential. Raises QuotaReached."""
        try:
            await self.windows.passes(credential, self.share.hold_clock if self.share else nullcontext)
        except QuotaReached as reached:
            self.quota = reached.limited
            raise

    def fail(self, failure: Failure) -> None:
        self.failure = failure
        if failure.limited is not None:
            self.windows.note(failure.limited, self.execution_id)

    def went_well(self) -> None:
        self.failure = None

    def verdict(self) -> Verdict:
        """Why an agent that failed did so, where it was the money or the provider; measured, not claimed."""
        if self.refused:
            return self._spent()
        if limited := self.limited:
            return Verdict(Reason.QUOTA_REACHED, f"{QuotaReached(limited)} The task is tried again then.")
        if self.failure is not None:
            return Verdict(Reason.PROVIDER_FAILED, f"{self.failure.message} Check the key and its limits.")
        return Verdict()

    def _spent(self) -> Verdict:
        allowance = self.share.allowance if self.share is not None and self.share.is_refused else None
        if allowance is None:
            message = "The task's model budget is spent: raise it, or make the task smaller."
            return Verdict(Reason.BUDGET_SPENT, message)
        if allowance.shared:
            words = allowance.message or "Others hold what is left of the budget."
            return Verdict(Reason.BUDGET_PAUSED, f"{words} Nobody raised it while the agent waited.")
        return Verdict(Reason.BUDGET_SPENT, f"{allowance.message} Raise it, or make the task smaller.")

    @property
    def limited(self) -> RateLimited | None:
        """The limit that the execution ended of, where it did and the limit's end is known."""
        limited = self.quota or (self.failure.limited if self.failure else None)
        return limited if limited is not None and limited.seconds_left() else None

    def _may_decide(self) -> bool:
        if self.budget_micros is None or self._reserved_micros == 0:
            return True
        spent = self.usage.cost_micros
        return spent >= self.budget_micros or spent + self._reserved_micros < self.budget_micros

    async def _wake(self) -> None:
        async with self._settled:
            self._settled.notify_all()
