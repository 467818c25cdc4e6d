"""The fields that an item may have: their names, and how each one's value is read."""

import re
import shlex
from collections.abc import Container
from decimal import Decimal

from pullyard.lifecycle.money import to_micros

NAMES = {
    "description": ("description", "details", "what"),
    "accept": (
        "accept",
        "accepts",
        "acceptance",
        "acceptance criteria",
        "acceptance criterion",
        "criteria",
        "done when",
    ),
    "files": ("files", "file", "target files"),
    "verify": ("verify", "verify with", "test", "tests"),
    "priority": ("priority", "prio"),
    "labels": ("labels", "label"),
    "after": ("after", "depends on", "depends", "dependencies", "needs", "blocked by"),
    "agent": ("agent",),
    "budget": ("budget",),
    "id": ("id", "key"),
    "status": ("status",),
}
FIELDS = {word: name for name, words in NAMES.items() for word in words}
PRIORITIES = {"urgent": 100, "high": 10, "normal": 0, "medium": 0, "low": -10}
PRIORITY_LIMIT = 1000

_QUOTED = re.compile(r"`([^`]+)`")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_AGENT = re.compile(r"[a-z][a-z0-9-]{0,49}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=/-]{0,99}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_MONEY = re.compile(r"\$?([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(?:usd|dollars?|\$)?")
# What a shell would do something with; a command that holds none of it is run without one.
_SHELL = re.compile(r"[|&;<>$*?~()\n]")
_NAME = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)?")


class Unreadable(Exception):
    """A value that can't be used; the text says what would be."""


def split_field(text: str) -> tuple[str, str] | None:
    """``Name: value`` as the field's own name and its value; None where the text is none of ours."""
    name, colon, _ = text[:60].partition(":")
    if not colon:
        return None
    found = FIELDS.get(" ".join(name.strip(" \t*_`").lower().split()))
    return None if found is None else (found, text[len(name) + 1 :].strip().lstrip("*_").strip())


def looks_like_field(text: str) -> str | None:
    """The name of a field that nobody knows: one or two words, a colon and something behind it."""
    name, colon, value = text[:60].partition(":")
    name = name.strip(" *_`")
    unknown = colon and value.startswith((" ", "*", "_")) and _NAME.fullmatch(name) and len(name) <= 30
    return name if unknown else None


def split_list(value: str) -> list[str]:
    """What stands in backticks, where something does; else what stands between commas."""
    parts = _QUOTED.findall(value) or value.split(",")
    return [part.strip() for part in parts if part.strip()]


def read_command(value: str) -> list[str]:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise Unreadable(f"the command {value[:80]!r} can't be split into words") from error
    if not words:
        raise Unreadable("a command is empty")
    return ["sh", "-c", value] if _SHELL.search(value) else words


def read_commands(value: str) -> list[list[str]]:
    return [read_command(one) for one in _QUOTED.findall(value) or [value]]


def read_priority(value: str) -> int:
    word = value.strip("`*_ ").lower()
    if word in PRIORITIES:
        return PRIORITIES[word]
    if not _NUMBER.fullmatch(word):
        raise Unreadable(f"{value[:40]!r} is no priority: write a number, or {', '.join(PRIORITIES)}")
    return max(-PRIORITY_LIMIT, min(PRIORITY_LIMIT, int(word)))


def read_labels(value: str) -> tuple[list[str], list[str]]:
    """The labels, and what can't be one."""
    words = [word for part in split_list(value) for word in part.split()]
    return [word for word in words if _LABEL.fullmatch(word)], [
        word for word in words if not _LABEL.fullmatch(word)
    ]


def read_budget(value: str) -> int:
    found = _MONEY.fullmatch(value.strip("`*_ ").lower())
    if found is None:
        raise Unreadable(f"{value[:40]!r} is no amount of money: write such as 2.50")
    return to_micros(Decimal(found[1]))


def read_id(value: str) -> str:
    word = value.strip("`*_# ").lower()
    if not _ID.fullmatch(word):
        raise Unreadable(f"{value[:40]!r} is no id: take letters, digits, dots and dashes, 64 at most")
    return word


def read_agent(value: str) -> str:
    word = value.strip("`*_ ").lower()
    if not _AGENT.fullmatch(word):
        raise Unreadable(f"{value[:40]!r} is no agent's name")
    return word


def split_title(text: str) -> tuple[str, str | None]:
    """The title, and the id at its end where it is written as ``{#id}``."""
    title = text.rstrip()
    if not title.endswith("}"):
        return title, None
    start = title.rfind("{#")
    word = title[start + 2 : -1].lower() if start >= 0 else ""
    return (title[:start].rstrip(), word) if _ID.fullmatch(word) else (title, None)


def references(value: str, known: Container[str]) -> list[str]:
    """What a field ``after`` names: the whole value where that is a known one, else its parts."""
    return [value] if value.strip("`# ").casefold() in known else split_list(value)
