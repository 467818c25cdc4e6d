"""What an execution may spend of the caps that it shares with others; the coordinator splits them."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from pullyard.lifecycle.budgets import AllowanceState
from pullyard.protocol.worker import Allowance, Spending, Usage, amount

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
PATIENCE_SECONDS = 3600.0
"""Of one step in all: its sandbox may go on meanwhile, and its time limit stands still."""


class Report(Protocol):
    async def __call__(self, spending: Spending, *, asks: bool) -> Allowance:
        """Tells the coordinator; ``asks`` where a request waits for the answer. Raises nothing of its own."""
        ...


class ShareSpent(Exception):
    """Nothing more may be spent; the message says why."""


@dataclass
class Share:
    """``covers`` before each request, ``more`` where it says no, ``beat`` with each heartbeat.

    All amounts are of the whole execution. Nobody but the one that asks raises what it holds, and a heartbeat
    gives back what lies idle.
    """

    report: Report
    patience_seconds: float = PATIENCE_SECONDS
    hold_clock: Callable[[], AbstractContextManager[object]] = nullcontext
    """The time limit of the step stands still meanwhile: a person is waited for, or others."""
    before: Usage = field(default_factory=Usage)
    """What earlier steps have spent."""
    usage: Usage = field(default_factory=Usage)
    """Of the step that runs; its ledger counts here."""
    reserved_micros: int = 0
    reserved_tokens: int = 0
    allowance: Allowance | None = None
    """None before the first answer."""
    number: int = 0
    _waited_seconds: float = 0.0
    _told: Usage = field(default_factory=Usage)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def total(self) -> Usage:
        return self.before.plus(self.usage)

    @property
    def is_refused(self) -> bool:
        return self.allowance is not None and self.allowance.state is not AllowanceState.OPEN

    @property
    def _is_stopped(self) -> bool:
        return self.allowance is not None and self.allowance.state is AllowanceState.STOPPED

    def begin(self, before: Usage, usage: Usage) -> None:
        """A step that will count in ``usage``."""
        self.before, self.usage = before, usage
        self._waited_seconds = 0.0

    def end(self, spent: Usage) -> None:
        self.before, self.usage = spent, Usage()

    def covers(self) -> bool:
        """Whether one more request may begin: only the last one can pass what is allowed."""
        allowance, total = self.allowance, self.total
        if allowance is None or self.is_refused:
            return False
        micros = total.cost_micros + self.reserved_micros
        tokens = total.input_tokens + total.output_tokens + self.reserved_tokens
        return (allowance.micros is None or micros < allowance.micros) and (
            allowance.tokens is None or tokens < allowance.tokens
        )

    async def more(self) -> None:
        """Returns when a request may begin, or when what is under way has to be looked at again.

        Waits while others hold what is left, and while a person is asked. Raises ShareSpent where a person
        says to stop, or where the step has waited for as long as it may.
        """
        clock = asyncio.get_running_loop().time
        async with self._asking:
            since, pause = clock(), FIRST_PAUSE_SECONDS
            until = since + self.patience_seconds - self._waited_seconds
            try:
                with self.hold_clock():
                    while not self.covers():
                        await self._tell(asks=True)
                        if self.covers():
                            return
                        if self._is_stopped or clock() >= until:
                            raise ShareSpent(self.allowance.message if self.allowance else "")
                        await asyncio.sleep(min(pause, max(0.0, until - clock())))
                        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            finally:
                self._waited_seconds += clock() - since

    def beat(self) -> Spending | None:
        """For a heartbeat; None where there is nothing new."""
        if self._asking.locked():
            return None
        total = self.total
        if total == self._told and not self._holds_idle():
            return None
        return self._next()

    def hear(self, allowance: Allowance) -> None:
        """An answer; one that came late changes nothing."""
        if allowance.number == self.number:
            self.allowance = allowance
            self.number = max(self.number, allowance.heard)

    async def withdraw(self) -> None:
        """After the step: nothing waits any more, and so no person is to be asked."""
        while self.is_refused and not self._is_stopped:
            await self._tell(asks=False)
            if self.is_refused and not self._is_stopped:
                await asyncio.sleep(1.0)

    async def _tell(self, *, asks: bool) -> None:
        self.hear(await self.report(self._next(), asks=asks))

    def _holds_idle(self) -> bool:
        allowance, total = self.allowance, self.total
        if allowance is None or self.is_refused:
            return False
        spent = total.input_tokens + total.output_tokens
        return (allowance.micros or 0) > total.cost_micros + self.reserved_micros or (
            (allowance.tokens or 0) > spent + self.reserved_tokens
        )

    def _next(self) -> Spending:
        """What is told is kept to from here on, also where the telling fails."""
        total, allowance = self.total, self.allowance
        self.number += 1
        self._told = total
        kept_micros = total.cost_micros + self.reserved_micros
        kept_tokens = total.input_tokens + total.output_tokens + self.reserved_tokens
        if allowance is not None:
            if allowance.micros is not None:
                kept_micros = min(kept_micros, allowance.micros)
                allowance.micros = kept_micros
            if allowance.tokens is not None:
                kept_tokens = min(kept_tokens, allowance.tokens)
                allowance.tokens = kept_tokens
        return Spending(
            number=self.number,
            usage=total,
            kept_micros=amount(kept_micros),
            kept_tokens=amount(kept_tokens),
        )
