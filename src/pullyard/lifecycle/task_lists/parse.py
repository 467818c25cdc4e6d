"""Reads a task list, whatever is in it: what can't be understood becomes a warning, never an error.

The syntax is Markdown as people write it; ``docs/reference/task-lists.md`` describes it. Every line is looked
at once, so that the time is in proportion to the size.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pullyard.lifecycle.task_lists.draft import Draft
from pullyard.lifecycle.task_lists.finish import finish_items
from pullyard.lifecycle.task_lists.model import (
    MAX_BYTES,
    MAX_ITEMS,
    MAX_TITLE,
    MAX_WARNINGS,
    ListWarning,
    Mark,
    Place,
    TaskList,
    clean,
)
from pullyard.lifecycle.task_lists.values import Unreadable, looks_like_field, split_field, split_title

MARKS = {" ": Mark.OPEN, "x": Mark.DONE, "X": Mark.DONE, "-": Mark.HELD, "~": Mark.HELD}
_BULLET = re.compile(r"([-*+]|[0-9]{1,9}[.)])(?:([ \t]+)|$)")
_FENCE = re.compile(r"(`{3,}|~{3,})")
GROUP_DEPTH = 6


def parse_task_list(text: str) -> TaskList:
    """``text`` as ``decode`` gives it. Where nothing has a box, numbered lines are taken for the items."""
    lines = text[:MAX_BYTES].split("\n")
    cut = len(text) > MAX_BYTES
    reader = Reader(lines, boxes_only=True)
    reader.read()
    if not reader.drafts and reader.saw_numbers:
        reader = Reader(lines, boxes_only=False)
        reader.read()
    if cut:
        reader.warn(len(lines) - 1, f"the list is longer than {MAX_BYTES} characters, the rest is not read")
    items = finish_items(reader.drafts, reader.warn)
    warnings = sorted(reader.warnings, key=lambda one: one.line)[:MAX_WARNINGS]
    return TaskList(items, warnings, cut or reader.full)


def decode(content: bytes) -> str:
    """Every byte, so that ``encode`` gives back exactly these."""
    return content.decode("utf-8", "surrogateescape")


def readable(content: bytes) -> str:
    """What of a file is read, and a little more where there is more; bytes that are no UTF-8 are replaced."""
    text = decode(content)[: MAX_BYTES + 1]
    return "".join("\ufffd" if "\ud800" <= sign <= "\udfff" else sign for sign in text)


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@dataclass
class Reader:
    """Walks over the lines; ``draft`` is the item that they belong to."""

    lines: Sequence[str]
    boxes_only: bool
    drafts: list[Draft] = field(default_factory=list[Draft])
    warnings: list[ListWarning] = field(default_factory=list[ListWarning])
    saw_numbers: bool = False
    full: bool = False
    _draft: Draft | None = None
    _groups: list[str] = field(default_factory=lambda: [""] * GROUP_DEPTH)
    _fence: str = ""
    _in_comment: bool = False
    _field: tuple[str, int] | None = None
    """The field that deeper lines belong to, and its indentation."""
    _after_blank: bool = False

    def warn(self, line: int, message: str) -> None:
        """``line`` counts from 0."""
        self.warnings.append(ListWarning(line + 1, f"{message[:1].upper()}{message[1:]}."))

    def read(self) -> None:
        for number, raw in enumerate(self.lines):
            self._line(number, raw.rstrip())
        if (self._fence or self._in_comment) and self._draft is not None:
            self._draft.place.open_ended = True
        if self._fence or self._in_comment:
            what = "code block" if self._fence else "comment"
            self.warn(len(self.lines) - 1, f"a {what} is never closed")

    def _line(self, number: int, line: str) -> None:
        content = line.lstrip(" \t")
        indent = width(line[: len(line) - len(content)])
        if self._in_comment:
            self._in_comment = "-->" not in line
            if self._draft is not None:
                self._draft.place.last_line = number
        elif not content:
            self._after_blank = True
            if self._draft is not None and self._draft.description:
                self._describe(number, "")
        elif self._draft is not None and indent >= self._draft.indent + 2:
            self._draft.place.last_line = number
            self._nested(number, indent, content, line)
            self._after_blank = False
        elif self._fence and self._draft is None:
            self._close_fence(content)
        else:
            self._fence = ""
            self._outer(number, indent, content, line)
            self._after_blank = False

    def _outer(self, number: int, indent: int, content: str, line: str) -> None:
        bullet = _BULLET.match(content)
        if content.startswith("<!--"):
            self._leave()
            self._comment(content)
        elif heading := heading_of(content):
            self._leave()
            level, name = heading
            self._groups[level - 1 :] = [name, *[""] * (GROUP_DEPTH - level)]
        elif fence := _FENCE.match(content):
            self._leave()
            self._fence = fence[1]
        elif bullet is not None:
            self._leave()
            self._item(number, indent, line, bullet)
        elif self._draft is not None and not self._after_blank:
            # Markdown goes on with a paragraph although its next line is not indented.
            self._draft.place.last_line = number
            self._field = None
            self._describe(number, clean(content))
        else:
            self._leave()

    def _item(self, number: int, indent: int, line: str, bullet: re.Match[str]) -> None:
        lead = len(line) - len(line.lstrip(" \t"))
        after = lead + bullet.end()
        rest = line[after:]
        numbered = bullet[1][0].isdigit()
        box = box_of(rest)
        if box is None and (self.boxes_only or not numbered):
            self.saw_numbers = self.saw_numbers or numbered
            if rest:
                self.warn(number, "this has no box, so it is no task: begin it with '- [ ]' to make it one")
            return
        if len(self.drafts) >= MAX_ITEMS:
            if not self.full:
                self.warn(number, f"a list has at most {MAX_ITEMS} items, the rest is not read")
            self.full = True
            return
        whole, title = box or ("", rest)
        sign = whole[1:-1] or " "
        own = len(bullet[1]) + 1
        place = Place(number, after + bool(whole), whole, line[:lead] + " " * own, own, number)
        self._begin(Draft("", self._mark(number, sign), indent, place, self._group()), number, title)

    def _begin(self, draft: Draft, number: int, title: str) -> None:
        words, draft.id = split_title(clean(title).strip())
        if not words:
            self.warn(number, "an item without a title is no task")
            return
        if len(words) > MAX_TITLE:
            self.warn(number, f"the title is longer than {MAX_TITLE} characters, the rest is left out")
        draft.title = words[:MAX_TITLE].strip()
        self.drafts.append(draft)
        self._draft = draft

    def _mark(self, number: int, sign: str) -> Mark:
        if sign not in MARKS:
            self.warn(number, f"the box says {clean(sign)!r}: the item is held, write '[ ]' to have it run")
        return MARKS.get(sign, Mark.HELD)

    def _nested(self, number: int, indent: int, content: str, line: str) -> None:
        if self._fence:
            if not self._close_fence(content):
                self._describe(number, clean(line)[self._strip(line) :])
            else:
                self._describe(number, content)
            return
        if fence := _FENCE.match(content):
            self._fence = fence[1]
            self._describe(number, clean(content))
            return
        if content.startswith("<!--"):
            self._comment(content)
            return
        bullet = _BULLET.match(content)
        if bullet is None:
            self._text(number, indent, content)
        else:
            self._nested_bullet(number, indent, content[bullet.end() :], content)

    def _nested_bullet(self, number: int, indent: int, rest: str, content: str) -> None:
        assert self._draft is not None
        box = box_of(rest)
        found = split_field(rest)
        if self._field is not None and indent > self._field[1]:
            self._set(number, self._field[0], box[1] if box else rest)
        elif box is not None:
            # A box below an item is one of the things that have to be true at its end.
            self._set(number, "accept", box[1])
        elif found is not None:
            self._open_field(number, indent, *found)
        else:
            self._field = None
            if name := looks_like_field(rest):
                self.warn(number, f"{clean(name)!r} is no field, so the line is part of the description")
            self._describe(number, clean(content))

    def _text(self, number: int, indent: int, content: str) -> None:
        found = split_field(content)
        if found is not None:
            self._open_field(number, indent, *found)
        elif self._field is not None and indent > self._field[1]:
            if self._field[0] == "description":
                self._set(number, "description", content)
        else:
            self._field = None
            self._describe(number, clean(content))

    def _open_field(self, number: int, indent: int, name: str, value: str) -> None:
        assert self._draft is not None
        self._field = (name, indent)
        place = self._draft.place
        if indent < width(place.indent):
            # A line that is added at the end must not look as if it stood below this field.
            place.indent = place.indent[: -place.own_width] + " " * (indent - self._draft.indent)
            place.own_width = indent - self._draft.indent
        if name == "status":
            place.status_line = number
        if value:
            self._set(number, name, value)

    def _set(self, number: int, name: str, value: str) -> None:
        assert self._draft is not None
        words = clean(value).strip()
        if not words:
            return
        try:
            self._draft.set(name, words, number)
        except Unreadable as problem:
            self.warn(number, str(problem))

    def _describe(self, number: int, line: str) -> None:
        assert self._draft is not None
        try:
            self._draft.describe(line)
        except Unreadable as problem:
            self.warn(number, str(problem))

    def _strip(self, line: str) -> int:
        """How much of a code line's beginning is only the item's own indentation."""
        assert self._draft is not None
        room = len(self._draft.place.indent)
        return min(room, len(line) - len(line.lstrip(" \t")))

    def _close_fence(self, content: str) -> bool:
        """Closed by at least as many signs of the same kind and nothing else."""
        closes = len(content) >= len(self._fence) and set(content) == {self._fence[0]}
        if closes:
            self._fence = ""
        return closes

    def _comment(self, content: str) -> None:
        self._in_comment = "-->" not in content

    def _group(self) -> str:
        return " / ".join(name for name in self._groups if name)

    def _leave(self) -> None:
        self._draft = None
        self._field = None


def width(blanks: str) -> int:
    """The columns that they take, a tab going to the next multiple of four."""
    columns = 0
    for blank in blanks:
        columns += 4 - columns % 4 if blank == "\t" else 1
    return columns


def box_of(text: str) -> tuple[str, str] | None:
    """The box that the text begins with and what follows it; None where there is no box."""
    size = 2 if text.startswith("[]") else 3
    whole, following = text[:size], text[size : size + 1]
    is_box = whole.startswith("[") and whole.endswith("]") and len(whole) == size
    return (whole, text[size + 1 :]) if is_box and following in ("", " ", "\t") else None


def heading_of(content: str) -> tuple[int, str] | None:
    signs = len(content) - len(content.lstrip("#"))
    if not 1 <= signs <= GROUP_DEPTH or (len(content) > signs and content[signs] not in " \t"):
        return None
    return signs, clean(content[signs:]).strip().rstrip("#").strip()[:200]
