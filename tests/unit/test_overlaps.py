"""Which files two pieces of work would both touch."""

import re
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.overlaps import MOST_TARGETS, SHOWN_FILES, Effort, Names, Target, TargetFiles

PATHS = ["/".join(names) for depth in (1, 2, 3) for names in product(("a", "b", "ab"), repeat=depth)]
DEEPER = ["/".join(names) for depth in range(1, 6) for names in product(("a", "b", "ab"), repeat=depth)]
PARTS = st.sampled_from(["a", "b", "ab", "*", "?", "a*", "*b", "?b", "**"])
TARGETS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)


def expression(target: str) -> re.Pattern[str]:
    """Says the same in another way, which may take for ever where a hostile hand writes the target."""
    said = ""
    for part in target.split("/"):
        name = part.replace("*", "[^/]*").replace("?", "[^/]")
        said += "(?:[^/]+/)*" if part == "**" else f"{name}/"
    return re.compile(f"{said}(?:[^/]+/)*")


def covered(target: str, path: str) -> bool:
    return expression(target).fullmatch(f"{path}/") is not None


@given(TARGETS)
def test_a_target_covers_the_names_that_its_expression_fits(target: str) -> None:
    wanted = sorted(path for path in PATHS if covered(target, path))
    found = TargetFiles([target]).among(Names(PATHS), Effort())
    assert (found.total, list(found.files)) == (len(wanted), wanted[:SHOWN_FILES])


@given(TARGETS, TARGETS)
def test_two_targets_meet_where_a_file_can_be_covered_by_both(one: str, other: str) -> None:
    can = any(covered(one, path) and covered(other, path) for path in DEEPER)
    there, back = TargetFiles([one]), TargetFiles([other])
    found = there.meeting(back, Effort()).total
    assert found == back.meeting(there, Effort()).total
    # Three names are enough for what these targets can tell apart, and so are the levels of both together.
    assert found == can


def test_two_targets_meet_below_what_each_of_them_names() -> None:
    assert TargetFiles(["**/a/b"]).meeting(TargetFiles(["b/b/b"]), Effort()).total == 1


@pytest.mark.parametrize("nothing", ["", " ", "./", "/", "..", "../a", "a/../b", "A", "*.a", "[ab]"])
def test_what_names_none_of_the_files_covers_none(nothing: str) -> None:
    assert TargetFiles([nothing]).among(Names(PATHS), Effort()).total == 0


def test_hostile_names_and_targets_take_no_time_and_are_cut() -> None:
    deep = "/".join(["a"] * 2000)
    bomb = "/".join(["**", "a*a*a*a*a*a*b"] * 20)
    assert TargetFiles([bomb, "*a" * 100 + "b"]).among(Names([deep, "a" * 4000]), Effort()).total == 0
    assert TargetFiles([bomb]).meeting(TargetFiles(["**/*a*a*c"] * 200), Effort()).total == 1
    found = TargetFiles(["*"]).among(Names(["\x1b[2J\n" + "x" * 4000, *map(str, range(100))]), Effort())
    assert (found.total, len(found.files), max(map(len, found.files))) == (101, SHOWN_FILES, 500)
    assert TargetFiles(["b"] * MOST_TARGETS + ["a"]).among(Names(PATHS), Effort()).total == 13


def test_a_look_that_has_taken_long_enough_finds_nothing_more() -> None:
    names, effort = Names([f"a/{number}" for number in range(1000)]), Effort(5000)
    found = TargetFiles(["**/*"]).among(names, effort).total
    assert 0 < found < 1000
    assert TargetFiles(["a"]).meeting(TargetFiles(["a"]), effort).total == 0


STARS = [f"{'*a' * 240}b{number}" for number in range(MOST_TARGETS)]
NAMES = [f"{'x/' * 200}{number}" for number in range(MOST_TARGETS)]


@pytest.mark.parametrize("written", [STARS, NAMES])
def test_a_spent_effort_ends_all_that_is_left(written: list[str]) -> None:
    """Counted by what is looked at, whatever a machine takes for it."""

    class Counted(list[Target]):
        looked = 0

        def __iter__(self) -> Iterator[Target]:
            for one in super().__iter__():
                self.looked += 1
                yield one

    effort, mine, theirs = Effort(100_000), TargetFiles(written), TargetFiles(written[::-1])
    while not effort.spent:
        mine.meeting(theirs, effort)
        mine.among(Names(["a" * 4000, "x/" * 2000]), effort)
    mine.targets, theirs.targets = Counted(mine.targets), Counted(theirs.targets)
    for _ in range(10):
        assert mine.meeting(theirs, effort).total == mine.among(Names(["a" * 4000]), effort).total == 0
    # One each, and then no more.
    assert (mine.targets.looked, theirs.targets.looked) == (10, 10)


def test_hostile_targets_spend_the_effort_soon() -> None:
    effort, mine = Effort(), TargetFiles(STARS)
    assert not effort.spent
    assert mine.meeting(TargetFiles([f"{one}c" for one in STARS]), effort).total < MOST_TARGETS
    assert effort.spent


def test_what_has_no_wildcards_costs_next_to_nothing() -> None:
    effort = Effort(60_000)
    for project in range(100):
        one = TargetFiles([f"{'long/' * 40}{project}/{number}" for number in range(10)])
        assert one.meeting(one, effort).total == 10
    assert not effort.spent
