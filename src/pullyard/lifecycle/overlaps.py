"""Which files two pieces of work would both touch, told by the names and globs that a task aims at.

A target is a path from the top of the repository and stands for all below it, too. ``*`` and ``?`` are
letters within one name, ``**`` is any number of directories; sets of letters are no part of the language.
Case counts.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

MOST_TARGETS = 50
"""Of one task; those after them are not looked at, so that no list of them costs much."""
SHOWN_FILES = 20
SHOWN_CHARACTERS = 500
ANY_DEPTH = "**"
_WILD = frozenset("*?")


@dataclass(frozen=True)
class Shared:
    """What both touch: ``files`` are the first of ``total``."""

    files: tuple[str, ...]
    total: int


def shared(files: Sequence[str]) -> Shared:
    distinct = sorted(set(files))
    return Shared(tuple(name[:SHOWN_CHARACTERS] for name in distinct[:SHOWN_FILES]), len(distinct))


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


class Effort:
    """What all comparisons of one look may cost together; when it is spent, they find nothing more."""

    def __init__(self, steps: int = 20_000_000) -> None:
        self._left = steps

    def allows(self, one: str, other: str) -> bool:
        """Whether these two texts may be compared, which takes as many steps as their lengths' product."""
        self._left -= 1 + len(one) * len(other)
        return self._left >= 0


class TargetFiles:
    def __init__(self, written: Sequence[str]) -> None:
        targets = (read_target(line) for line in written[:MOST_TARGETS])
        self.targets = [target for target in targets if target is not None]

    def among(self, names: Names, effort: Effort) -> Shared:
        """The names that they cover."""
        return shared(
            [
                name
                for target in self.targets
                for name in names.beginning_with(target.literal)
                if effort.allows(target.text, name) and covers(target, name)
            ]
        )

    def meeting(self, other: "TargetFiles", effort: Effort) -> Shared:
        """Those of ``other``'s targets that may be a file that one of these covers, as they were written."""
        return shared(
            [
                theirs.text
                for theirs in other.targets
                if any(
                    may_begin_alike(mine, theirs)
                    and effort.allows(mine.text, theirs.text)
                    and can_meet(mine, theirs)
                    for mine in self.targets
                )
            ]
        )


def read_target(line: str) -> Target | None:
    """None for one that names nothing, such as ``./``."""
    names = [name for name in line.strip().split("/") if name not in ("", ".")]
    if not names:
        return None
    parts = [
        name for place, name in enumerate(names) if name != ANY_DEPTH or names[place - 1 : place] != [name]
    ]
    below = () if parts[-1] == ANY_DEPTH else (ANY_DEPTH,)
    return Target("/".join(names), (*parts, *below))


def covers(target: Target, path: str) -> bool:
    names = [name for name in path.split("/") if name]
    return bool(names) and fits(target.parts, names, ANY_DEPTH, fits_name)


def fits_name(pattern: str, name: str) -> bool:
    if not _WILD.intersection(pattern):
        return pattern == name
    return fits(pattern, name, "*", lambda one, letter: one in ("?", letter))


def fits(
    pattern: Sequence[str], items: Sequence[str], many: str, one_fits: Callable[[str, str], bool]
) -> bool:
    """Whether the pattern, in which ``many`` stands for any number of items, fits all of them.

    It goes back to the last ``many`` alone, so that no pattern takes longer than its length times theirs.
    """
    place = done = 0
    last_many, done_then = -1, 0
    while done < len(items):
        if place < len(pattern) and pattern[place] == many:
            last_many, done_then = place, done
            place += 1
        elif place < len(pattern) and one_fits(pattern[place], items[done]):
            place, done = place + 1, done + 1
        elif last_many >= 0:
            done_then += 1
            place, done = last_many + 1, done_then
        else:
            return False
    return all(one == many for one in pattern[place:])


def may_begin_alike(one: Target, other: Target) -> bool:
    return one.literal.startswith(other.literal) or other.literal.startswith(one.literal)


def can_meet(one: Target, other: Target) -> bool:
    """Whether there can be a file that both cover."""
    return intersect(one.parts, other.parts, ANY_DEPTH, names_meet)


def names_meet(one: str, other: str) -> bool:
    if not _WILD.intersection(one):
        return fits_name(other, one)
    if not _WILD.intersection(other):
        return fits_name(one, other)
    return intersect(one, other, "*", lambda a, b: a == b or "?" in (a, b))


def intersect(one: Sequence[str], other: Sequence[str], many: str, meet: Callable[[str, str], bool]) -> bool:
    """Whether some sequence fits both patterns, in each of which ``many`` stands for any number of items."""
    # Row by row from the ends: whether what is left of ``one`` and of ``other`` can be the same.
    row = [True] * (len(other) + 1)
    for place in range(len(other) - 1, -1, -1):
        row[place] = row[place + 1] and other[place] == many
    for mine in reversed(one):
        below, row = row, [False] * (len(other) + 1)
        row[-1] = below[-1] and mine == many
        for place in range(len(other) - 1, -1, -1):
            theirs = other[place]
            if many in (mine, theirs):
                row[place] = below[place] or row[place + 1]
            else:
                row[place] = below[place + 1] and meet(mine, theirs)
    return row[0]
