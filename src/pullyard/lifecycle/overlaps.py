"""Which files two pieces of work would both touch, told by the names and globs that a task aims at.

A target is a path from the top of the repository and stands for all below it, too. ``*`` and ``?`` are
letters within one name, ``**`` is any number of directories; sets of letters are no part of the language.
Case counts.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

MOST_TARGETS = 50
"""Of one task; those after them are not looked at, so that no list of them costs much."""
SHOWN_FILES = 20
SHOWN_CHARACTERS = 500
ANY_DEPTH = "**"
_WILD = frozenset("*?")
# Steps that it takes to find where a target's names begin among those of a change, and to take one of them.
_FINDING = _TAKING = 8


@dataclass(frozen=True)
class Shared:
    """What both touch: ``files`` are the first of ``total``."""

    files: tuple[str, ...]
    total: int


def shared(files: Sequence[str]) -> Shared:
    distinct = sorted(set(files))
    return Shared(tuple(name[:SHOWN_CHARACTERS] for name in distinct[:SHOWN_FILES]), len(distinct))


def found_in_time(names: Iterator[str]) -> Shared:
    found: list[str] = []
    with suppress(EffortSpent):
        found.extend(names)
    return shared(found)


@dataclass(frozen=True)
class Target:
    """``text`` as it was written, without what says nothing; ``parts`` end with all that is below."""

    text: str
    parts: tuple[str, ...]

    @cached_property
    def literal(self) -> str:
        """What every name that it covers begins with."""
        wild = next((place for place, letter in enumerate(self.text) if letter in _WILD), None)
        # ``a/**`` is ``a`` itself, too.
        return self.text if wild is None else self.text[:wild].rstrip("/")

    @cached_property
    def plain(self) -> bool:
        return not is_wild(self.text)


class Names:
    """The names of files that a piece of work touches, sorted once for all that is compared with them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = sorted(set(names))

    def beginning_with(self, prefix: str) -> Sequence[str]:
        first = bisect_left(self._names, prefix)
        last = first
        while last < len(self._names) and self._names[last].startswith(prefix):
            last += 1
        return self._names[first:last]


class EffortSpent(Exception):
    pass


class Effort:
    """What all comparisons of one look may cost together; when it is spent, they find nothing more.

    They are made by a process that serves everybody, so all steps together take it about a twentieth
    of a second, and twice that at worst.
    """

    def __init__(self, steps: int = 500_000) -> None:
        self._left = steps

    @property
    def spent(self) -> bool:
        return self._left < 0

    def spend(self, steps: int) -> None:
        """Raises EffortSpent, from then on at every call."""
        self._left -= steps
        if self._left < 0:
            raise EffortSpent


class TargetFiles:
    def __init__(self, written: Sequence[str]) -> None:
        targets = (read_target(line) for line in written[:MOST_TARGETS])
        self.targets = [target for target in targets if target is not None]

    def among(self, names: Names, effort: Effort) -> Shared:
        """The names that they cover."""
        return found_in_time(name for target in self.targets for name in covered(target, names, effort))

    def meeting(self, other: "TargetFiles", effort: Effort) -> Shared:
        """Those of ``other``'s targets that may be a file that one of these covers, as they were written."""
        return found_in_time(theirs.text for theirs in other.targets if self._meet(theirs, effort))

    def _meet(self, theirs: Target, effort: Effort) -> bool:
        effort.spend(len(self.targets))
        begin = theirs.literal
        return any(
            can_meet(mine, theirs, effort)
            for mine in self.targets
            if mine.literal.startswith(begin) or begin.startswith(mine.literal)
        )


def read_target(line: str) -> Target | None:
    """None for one that names nothing, such as ``./``."""
    names = [name for name in line.strip().split("/") if name and name != "."]
    if not names:
        return None
    parts = [
        name for place, name in enumerate(names) if name != ANY_DEPTH or names[place - 1 : place] != [name]
    ]
    below = () if parts[-1] == ANY_DEPTH else (ANY_DEPTH,)
    return Target("/".join(names), (*parts, *below))


def is_wild(text: str) -> bool:
    return "*" in text or "?" in text


def covered(target: Target, names: Names, effort: Effort) -> Iterator[str]:
    effort.spend(_FINDING)
    return (name for name in names.beginning_with(target.literal) if covers(target, name, effort))


def covers(target: Target, path: str, effort: Effort) -> bool:
    names = [name for name in path.split("/") if name]
    effort.spend(_TAKING + len(names))
    return bool(names) and fits(target.parts, names, ANY_DEPTH, fits_name, effort)


def fits_name(pattern: str, name: str, effort: Effort) -> bool:
    if not is_wild(pattern):
        return pattern == name
    # Most names fail here, at little cost: nearly every pattern ends like ``*.py``.
    end = pattern.rpartition("*")[2]
    if not is_wild(end) and not name.endswith(end):
        return False
    return fits(pattern, name, "*", lambda one, letter, _: one in ("?", letter), effort)


def fits(
    pattern: Sequence[str],
    items: Sequence[str],
    many: str,
    one_fits: Callable[[str, str, Effort], bool],
    effort: Effort,
) -> bool:
    """Whether the pattern, in which ``many`` stands for any number of items, fits all of them.

    It goes back to the last ``many`` alone, so that no pattern takes longer than its length times theirs.
    """
    effort.spend(len(pattern))
    place = done = 0
    last_many, done_then = -1, 0
    while done < len(items):
        if place < len(pattern) and pattern[place] == many:
            last_many, done_then = place, done
            place += 1
        elif place < len(pattern) and one_fits(pattern[place], items[done], effort):
            place, done = place + 1, done + 1
        elif last_many >= 0:
            effort.spend(2 * (1 + done - done_then))
            done_then += 1
            place, done = last_many + 1, done_then
        else:
            return False
    return all(one == many for one in pattern[place:])


def can_meet(one: Target, other: Target, effort: Effort) -> bool:
    """Whether there can be a file that both cover."""
    if one.plain and other.plain:
        names = min(len(one.parts), len(other.parts)) - 1
        effort.spend(names)
        return one.parts[:names] == other.parts[:names]
    return intersect(one.parts, other.parts, ANY_DEPTH, names_meet, effort)


def names_meet(one: str, other: str, effort: Effort) -> bool:
    if not is_wild(one):
        return fits_name(other, one, effort)
    if not is_wild(other):
        return fits_name(one, other, effort)
    return intersect(one, other, "*", lambda a, b, _: a == b or "?" in (a, b), effort)


def intersect(
    one: Sequence[str],
    other: Sequence[str],
    many: str,
    meet: Callable[[str, str, Effort], bool],
    effort: Effort,
) -> bool:
    """Whether some sequence fits both patterns, in each of which ``many`` stands for any number of items."""
    effort.spend(len(other))
    # Row by row from the ends: whether what is left of ``one`` and of ``other`` can be the same.
    row = [True] * (len(other) + 1)
    for place in range(len(other) - 1, -1, -1):
        row[place] = row[place + 1] and other[place] == many
    for mine in reversed(one):
        effort.spend(len(other))
        below, row = row, [False] * (len(other) + 1)
        row[-1] = below[-1] and mine == many
        for place in range(len(other) - 1, -1, -1):
            theirs = other[place]
            if many in (mine, theirs):
                row[place] = below[place] or row[place + 1]
            else:
                row[place] = below[place + 1] and meet(mine, theirs, effort)
    return row[0]
