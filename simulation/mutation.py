"""A guard taken out on purpose, and how that is done and undone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def nothing() -> Callable[[], None]:
    return lambda: None


@dataclass(frozen=True)
class Mutation:
    """``apply`` takes the guard out of the code and returns what puts it back.

    ``seed`` is of a history that missed the guard when it was last looked for: the place to begin.
    """

    name: str
    seed: str
    guard: str
    apply: Callable[[], Callable[[], None]] = nothing


def replace(place: Any, name: str, other: Any) -> Callable[[], Callable[[], None]]:
    def apply() -> Callable[[], None]:
        before = getattr(place, name)
        setattr(place, name, other)
        return lambda: setattr(place, name, before)

    return apply


def all_of(*changes: Callable[[], Callable[[], None]]) -> Callable[[], Callable[[], None]]:
    """Guards that stand behind one another: with one of them left, nothing is seen of the other's absence."""

    def apply() -> Callable[[], None]:
        undo = [change() for change in changes]

        def put_back() -> None:
            for step in reversed(undo):
                step()

        return put_back

    return apply
