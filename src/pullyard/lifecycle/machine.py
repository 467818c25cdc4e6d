"""One way to run every state machine: a table of transitions and a pure step through it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

StateT = TypeVar("StateT", bound=StrEnum)
EventT = TypeVar("EventT", bound=StrEnum)


class IllegalTransition(Exception):
    """The event does not apply to the state; ``allowed`` names the events that do, sorted."""

    def __init__(self, machine: str, state: str, event: str, allowed: list[str]) -> None:
        choices = ", ".join(allowed) or "nothing, the state is final"
        super().__init__(f"A {machine} that is {state} can't {event}; possible now: {choices}.")
        self.machine = machine
        self.state = state
        self.event = event
        self.allowed = allowed


def allowed_events(transitions: Mapping[tuple[StateT, EventT], StateT], state: StateT) -> list[str]:
    return sorted(event.value for origin, event in transitions if origin == state)


def step(
    machine: str, transitions: Mapping[tuple[StateT, EventT], StateT], state: StateT, event: EventT
) -> StateT:
    """Return the state that ``event`` leads to; raise IllegalTransition where the table has no row."""
    try:
        return transitions[state, event]
    except KeyError:
        raise IllegalTransition(machine, state, event, allowed_events(transitions, state)) from None


def sources(transitions: Mapping[tuple[StateT, EventT], StateT], event: EventT) -> frozenset[StateT]:
    """The states in which ``event`` is legal, for the guard in ``UPDATE ... WHERE state IN (...)``."""
    return frozenset(state for state, candidate in transitions if candidate == event)


def mermaid(transitions: Mapping[tuple[StateT, EventT], StateT]) -> str:
    """The table as a Mermaid state diagram, as the documentation shows it."""
    rows = sorted({f"    {origin} --> {target}: {event}" for (origin, event), target in transitions.items()})
    return "\n".join(["stateDiagram-v2", *rows])
