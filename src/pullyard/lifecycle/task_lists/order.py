"""Which tasks of a list can stay where they are when the list was put into another order."""

from bisect import bisect_left
from collections.abc import Sequence


def that_stay(positions: Sequence[int | None]) -> set[int]:
    """The indexes of a longest run of rising positions: all others have to be moved, and no more than these.

    None stands for a task that has no place yet.
    """
    tails: list[int] = []
    tail_indexes: list[int] = []
    before: dict[int, int | None] = {}
    for index, position in enumerate(positions):
        if position is None:
            continue
        length = bisect_left(tails, position)
        before[index] = tail_indexes[length - 1] if length else None
        # The smallest end of a run of this length; the ends of longer runs stay.
        tails[length : length + 1] = [position]
        tail_indexes[length : length + 1] = [index]
    kept: set[int] = set()
    index = tail_indexes[-1] if tail_indexes else None
    while index is not None:
        kept.add(index)
        index = before[index]
    return kept
