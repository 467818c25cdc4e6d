"""Writes an item's box and its status line into a task list, and leaves every other byte as it was."""

from collections.abc import Mapping
from dataclasses import dataclass

from pullyard.lifecycle.task_lists.model import Mark, Place, clean
from pullyard.lifecycle.task_lists.parse import parse_task_list

MAX_STATUS = 200


@dataclass(frozen=True)
class Written:
    text: str
    done: frozenset[str]
    """The keys of the items that are checked now."""
    absent: frozenset[str]
    """The keys that the list has no item of any more: somebody took them out, and that stands."""


def check_items(text: str, done: Mapping[str, str]) -> Written:
    """Check the items of these keys and say in their status lines what became of them.

    This is how two changes of a list are brought together: ours is by item, so it is made on whatever the
    file has become meanwhile. Repeatable; what is written already is left as it is.
    """
    lines = text.split("\n")
    items = parse_task_list(text).items
    found = frozenset(item.key for item in items if item.key in done)
    # From the bottom to the top, so that a line that is put in moves none that is still to be changed.
    for item in reversed(items if found else ()):
        place = item.place
        if item.key in found:
            say(lines, place, done[item.key])
            if item.mark is not Mark.DONE:
                lines[place.title_line] = boxed(lines[place.title_line], place, "x")
        elif not place.box:
            # Among items with a box, one without would be an item no more.
            lines[place.title_line] = boxed(lines[place.title_line], place, " ")
    return Written("\n".join(lines), found, frozenset(done) - found)


def boxed(line: str, place: Place, sign: str) -> str:
    """The title's line with this sign in its box."""
    column = place.box_column
    if not place.box:
        return f"{line[:column]}[{sign}] {line[column:]}"
    return f"{line[:column]}{sign}{line[column + len(place.box) - 2 :]}"


def say(lines: list[str], place: Place, sentence: str) -> None:
    """Put the status into its line, or into a new one at the item's end."""
    words = f"- status: {' '.join(clean(sentence).split())[:MAX_STATUS]}"
    if place.status_line is not None:
        old = lines[place.status_line]
        lead = old[: len(old) - len(old.lstrip(" \t"))]
        lines[place.status_line] = lead + words + ("\r" if old.endswith("\r") else "")
        return
    before = place.title_line if place.open_ended else place.last_line
    ending = "\r" if lines[place.title_line].endswith("\r") else ""
    new = place.indent + words
    if before == len(lines) - 1:
        # The file has no end of line at its end: the old last line gets one, the new one has none.
        lines[before] += ending
        lines.append(new)
    else:
        lines.insert(before + 1, new + ending)
