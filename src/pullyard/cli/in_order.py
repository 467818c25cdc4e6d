"""Puts the logs of the phases in order: each phase's last lines arrive a little after the next has begun."""

import time

from pullyard.cli.watch import Printed
from pullyard.lifecycle.execution import Phase

GRACE_SECONDS = 1.5
"""How long a phase that is over may still have lines on their way."""


class InOrder:
    """``show`` what comes back from each call, in that order; nothing is dropped."""

    def __init__(self) -> None:
        self._current = ""
        self._held: list[Printed] = []
        self._quiet_since = time.monotonic()

    def add(self, piece: Printed) -> list[Printed]:
        key = f"{piece.execution_id}/{piece.stream}"
        if not self._current and not self._held:
            # On a busy machine a later phase's first lines may overtake those of the first.
            self._quiet_since = time.monotonic()
            if _place(piece)[1] == 0:
                self._current = key
        if key != self._current:
            self._held.append(piece)
            return self.tick()
        self._quiet_since = time.monotonic()
        return [piece]

    def tick(self) -> list[Printed]:
        """Call now and then: what was held back comes once the phase before it is quiet."""
        if not self._held or time.monotonic() - self._quiet_since < GRACE_SECONDS:
            return []
        return self._next()

    def rest(self) -> list[Printed]:
        """At the end, all that is left."""
        shown = []
        while self._held:
            shown += self._next()
        return shown

    def _next(self) -> list[Printed]:
        first = min(self._held, key=_place)
        self._current = f"{first.execution_id}/{first.stream}"
        ready = [one for one in self._held if _place(one) == _place(first)]
        self._held = [one for one in self._held if _place(one) != _place(first)]
        self._quiet_since = time.monotonic()
        return ready


def _place(piece: Printed) -> tuple[str, int]:
    phases = list(map(str, Phase))
    number = phases.index(piece.stream) if piece.stream in phases else len(phases)
    return piece.execution_id, number
