"""An item while its lines are being read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pullyard.lifecycle.task_lists.model import MAX_DESCRIPTION, MAX_LINE, Mark, Place
from pullyard.lifecycle.task_lists.values import (
    Unreadable,
    read_agent,
    read_budget,
    read_commands,
    read_id,
    read_labels,
    read_priority,
    split_list,
)

ValueT = TypeVar("ValueT")

MAX_CRITERIA = 100
MAX_FILES = 1000
MAX_COMMANDS = 50
MAX_LABELS = 50
MAX_AFTER = 100
VALUE_CHARACTERS = 2000

SINGLE: Mapping[str, Callable[[str], object]] = {
    "priority": read_priority,
    "agent": read_agent,
    "budget": read_budget,
    "id": read_id,
    "status": str,
}
"""The fields with one value, of which the last one holds, and their readers."""


@dataclass
class Draft:
    title: str
    mark: Mark
    indent: int
    place: Place
    group: str
    id: str | None = None
    description: list[str] = field(default_factory=list[str])
    description_size: int = 0
    accept: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    verify: list[list[str]] = field(default_factory=list[list[str]])
    labels: list[str] = field(default_factory=list[str])
    after: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """What each waits for as it is written, with its line: it is known which items those are at the end."""
    priority: int | None = None
    agent: str | None = None
    budget: int | None = None
    status: str = ""
    cut: bool = False

    def describe(self, line: str) -> None:
        """Raises Unreadable, once, where the description becomes longer than any may be."""
        if self.cut:
            return
        self.description_size += len(line) + 1
        if self.description_size > MAX_DESCRIPTION:
            self.cut = True
            raise Unreadable(
                f"the description is longer than {MAX_DESCRIPTION} characters, the rest is left out"
            )
        self.description.append(line)

    def set(self, name: str, value: str, line: int) -> None:
        """Take one value of a field. Raises Unreadable with what would be right."""
        if len(value) > VALUE_CHARACTERS:
            raise Unreadable(f"a value has at most {VALUE_CHARACTERS} characters")
        if name in SINGLE:
            setattr(self, name, SINGLE[name](value))
        else:
            self._add(name, value, line)

    def _add(self, name: str, value: str, line: int) -> None:
        match name:
            case "description":
                self.describe(value)
            case "accept":
                add(self.accept, [value[:MAX_LINE]], MAX_CRITERIA)
            case "files":
                add(self.files, [name[:MAX_LINE] for name in split_list(value)], MAX_FILES)
            case "verify":
                add(self.verify, read_commands(value), MAX_COMMANDS)
            case "labels":
                self._set_labels(value)
            case _:
                add(self.after, [(line, value)], MAX_AFTER)

    def missing(self) -> list[str]:
        """The fields that say what is wanted and how it is proved, and that are not there."""
        there = {
            "description": self.description,
            "accept": self.accept,
            "files": self.files,
            "verify": self.verify,
        }
        return [name for name, value in there.items() if not value]

    def _set_labels(self, value: str) -> None:
        good, bad = read_labels(value)
        add(self.labels, good, MAX_LABELS)
        if bad:
            raise Unreadable(f"{bad[0][:40]!r} is no label: take letters, digits and . _ = / -")


def add(values: list[ValueT], new: list[ValueT], limit: int) -> None:
    for one in new:
        if len(values) >= limit:
            raise Unreadable(f"there are more than {limit}, the rest is left out")
        values.append(one)
