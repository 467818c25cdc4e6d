"""Cuts an agent's output into JSON lines and plain text, whatever the bytes are."""

from typing import Any

import msgspec

from pullyard.protocol.worker import MOST

JSON_LINE_LIMIT_BYTES = 4 << 20
"""A longer line is passed on as plain text: nothing is lost, and memory stays bounded."""

_decode = msgspec.json.Decoder().decode


class JsonLines:
    """Feed it bytes cut anywhere; out come parsed objects and plain bytes, in order.

    Only a line that starts with ``{`` is held back until its end; all else passes at once.
    """

    def __init__(self, limit_bytes: int = JSON_LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._in_plain_line = False

    def feed(self, data: bytes) -> list[dict[str, Any] | bytes]:
        """Empty data means the end of the output: what was held back comes out."""
        pieces: list[dict[str, Any] | bytes] = []
        if not data and self._held:
            pieces.append(self._take_held())
        for line in split_lines(data):
            self._feed_line(line, pieces)
        return pieces

    def _feed_line(self, line: bytes, pieces: list[dict[str, Any] | bytes]) -> None:
        ends = line.endswith(b"\n")
        if self._held or (not self._in_plain_line and line.startswith(b"{")):
            self._held += line
            if ends or len(self._held) > self._limit_bytes:
                pieces.append(self._take_held())
                self._in_plain_line = not ends
            return
        pieces.append(line)
        self._in_plain_line = not ends

    def _take_held(self) -> dict[str, Any] | bytes:
        line = bytes(self._held)
        self._held.clear()
        return parse_object(line) or line


def split_lines(data: bytes) -> list[bytes]:
    """Keeps the ends. Only a line feed ends a line: ``splitlines`` would also cut at a carriage return."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def parse_object(line: bytes) -> dict[str, Any] | None:
    """None for anything but a JSON object: broken, too deep, bad UTF-8, numbers out of range."""
    try:
        value = _decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(value: Any, limit: int) -> str:
    """A string cut to ``limit`` characters with a notice; anything but a string is empty."""
    if not isinstance(value, str):
        return ""
    return value if len(value) <= limit else f"{value[:limit]}\n[{len(value) - limit} characters left out]"


def sentence_of(value: Any, limit: int = 300) -> str:
    """One printable line, for a message to the user."""
    words = " ".join(text_of(value, limit * 4).split())
    line = "".join(letter for letter in words if letter.isprintable())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def count_of(value: Any, limit: int = MOST) -> int:
    """A whole number from 0 to ``limit``; anything else is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), limit))


def object_of(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def bounded(value: Any, text_limit: int, items: int = 64, depth: int = 6) -> Any:
    """A copy of decoded JSON in which no text, list or nesting is longer than allowed."""
    if isinstance(value, str):
        return text_of(value, text_limit)
    if depth == 0 and isinstance(value, dict | list):
        return "[left out]"
    if isinstance(value, dict):
        pairs = list(value.items())[:items]
        return {text_of(key, 200): bounded(item, text_limit, items, depth - 1) for key, item in pairs}
    if isinstance(value, list):
        return [bounded(item, text_limit, items, depth - 1) for item in value[:items]]
    return value
