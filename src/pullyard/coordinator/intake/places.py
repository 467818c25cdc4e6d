"""Finding values in an event by a path, and putting them into a text; nothing is ever evaluated."""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

VALUES = 1000
RENDERED_CHARACTERS = 20_000
PLACES = 200
"""Filled in one text; each may lead through the whole of an event."""
_PLACE = re.compile(r"\{([A-Za-z0-9]+(?:\.[^{}.\s]{1,100}){0,20})\}")


def values_at(event: Mapping[str, Any], path: str) -> list[Any]:
    """What is there; nothing where the path leads nowhere. ``*`` is every item of a list or an object."""
    found = [event]
    for step in path.split("."):
        following: list[Any] = []
        for value in found:
            following += items_of(value, step)
            if len(following) > VALUES:
                break
        found = following[:VALUES]
    return found


def items_of(value: Any, step: str) -> list[Any]:
    if step == "*":
        return (
            list(value.values())
            if isinstance(value, dict)
            else list(value)
            if isinstance(value, list)
            else []
        )
    if isinstance(value, Mapping):
        return [value[step]] if step in value else []
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10:
        return value[int(step) : int(step) + 1]
    return []


def fill(text: str, event: Mapping[str, Any], limit: int) -> str:
    """The text with every place filled in once: what a value holds is never read as a place again.

    No more is made than ``limit`` characters and one place's values, however often a text names a long value.
    Places beyond the first ``PLACES`` stay as they are.
    """
    parts: list[str] = []
    read_to = length = 0
    for place in islice(_PLACE.finditer(text), PLACES):
        parts += [text[read_to : place.start()], ", ".join(map(shown, values_at(event, place[1])))]
        read_to = place.end()
        length += len(parts[-2]) + len(parts[-1])
        if length >= limit:
            break
    parts.append(text[read_to:])
    return "".join(parts)[:limit].replace("\x00", "\ufffd")


def shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:RENDERED_CHARACTERS]


def fits(pattern: str, text: str) -> bool:
    """``*`` is any text, and everything else itself. Takes time in proportion to the text."""
    first, *middle = pattern.split("*")
    if not middle:
        return text == pattern
    *between, last = middle
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in between:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def as_like(pattern: str) -> str:
    """The same pattern as SQL's LIKE reads it."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%")
