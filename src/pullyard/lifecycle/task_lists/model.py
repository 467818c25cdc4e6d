"""What a task list says, item by item, and where in the file each of them stands."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_PATH = "task_lists.md"
MAX_BYTES = 256 * 1024
"""What stands behind this many bytes of a file is not read, and the reader is told."""
MAX_ITEMS = 1000
MAX_WARNINGS = 200
MAX_TITLE = 500
MAX_LINE = 500
MAX_DESCRIPTION = 20_000


class Mark(StrEnum):
    """What the box of an item says."""

    OPEN = "open"
    DONE = "done"
    HELD = "held"
    """``[-]``, ``[~]`` and every other sign: not to be run, for whatever reason its writer has."""


@dataclass(frozen=True)
class ListWarning:
    """Something that was not understood, or not said; ``line`` counts from 1."""

    line: int
    message: str


@dataclass
class Place:
    """Where an item stands: indexes into the file's lines, and columns within one."""

    title_line: int
    box_column: int
    """The column of the box's sign; where there is none, the column that it is inserted at."""
    box: str
    """What stands there: ``[ ]``, ``[]``, or nothing at all before the title of a numbered item."""
    indent: str
    """What a line that is added to the item begins with."""
    own_width: int
    """How much of that is more than the item's own indentation."""
    last_line: int
    """The last line of the item that is not blank."""
    status_line: int | None = None
    open_ended: bool = False
    """Whether it ends in a code block or a comment that is never closed: nothing can be added there."""


@dataclass(frozen=True)
class ListItem:
    key: str
    """Its id where it has one, else made of its title: the same for as long as the title stays."""
    title: str
    mark: Mark
    place: Place = field(compare=False)
    group: str = ""
    description: str = ""
    acceptance_criteria: Sequence[str] = ()
    target_files: Sequence[str] = ()
    verify_commands: Sequence[Sequence[str]] | None = None
    """None: as the project says."""
    priority: int = 0
    labels: Sequence[str] = ()
    after: Sequence[str] = ()
    """The keys of the items that have to be completed before, never in a circle."""
    agent: str | None = None
    budget_micros: int | None = None
    status: str = ""

    @property
    def line(self) -> int:
        return self.place.title_line + 1

    @property
    def digest(self) -> str:
        """Changes with everything that the task is made of, and with nothing that Pullyard writes."""
        words = [
            self.title,
            self.group,
            self.description,
            list(self.acceptance_criteria),
            list(self.target_files),
            [list(command) for command in self.verify_commands or ()],
            self.priority,
            list(self.labels),
            list(self.after),
            self.agent,
            self.budget_micros,
        ]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()


@dataclass(frozen=True)
class TaskList:
    items: Sequence[ListItem]
    warnings: Sequence[ListWarning]
    cut: bool = False
    """Whether the file is longer than what was read: an item that is missing may stand further down."""


def key_of_title(title: str) -> str:
    """The same for titles that differ only in case and blanks."""
    words = " ".join(title.casefold().split())
    return f"t-{hashlib.sha256(words.encode('utf-8', 'replace')).hexdigest()[:16]}"


def clean(text: str) -> str:
    """Text as it may be stored and shown: bytes that were no UTF-8, and control signs, are replaced."""
    return "".join(
        "\ufffd"
        if "\ud800" <= sign <= "\udfff" or (sign < " " and sign not in "\t\n") or sign == "\x7f"
        else sign
        for sign in text
    )
