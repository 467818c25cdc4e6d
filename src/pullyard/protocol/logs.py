"""Logs as people and programs read them."""

import re
from datetime import datetime

from pydantic import Field

from pullyard.protocol.errors import RequestError
from pullyard.protocol.resources import Input, Resource

RANGE_PATTERN = r"^[1-9][0-9]{0,15}(-([1-9][0-9]{0,15})?)?$"
OPEN_ENDED = 10**16 - 1


def line_range(words: str) -> tuple[int, int]:
    """``120-140``, ``120-`` or ``120``: the first and the last line, both included. Raises RequestError."""
    if not re.fullmatch(RANGE_PATTERN, words):
        raise RequestError("Lines are named like 120-140, 120- or 120; the first one is 1.")
    first, dash, last = words.partition("-")
    begin, end = int(first), int(last) if last else OPEN_ENDED if dash else int(first)
    if end < begin:
        raise RequestError(f"The range of lines ends before it begins: {begin} is after {end}.")
    return begin, end


class LogStream(Resource):
    stream: str
    size_bytes: int
    lines: int = Field(description="line ends; what follows the last one counts when its end has come")
    sha256: str | None = Field(
        description="of all bytes, in hex; null until it is complete and was put away, minutes later"
    )
    archived: bool = Field(description="it is in object storage, and reads the same")
    expired_at: datetime | None = Field(description="since then its bytes are gone, and reading answers 410")


class LogLine(Resource):
    number: int = Field(description="the first line is 1")
    offset: int = Field(description="of its first byte")
    size_bytes: int = Field(description="without its line end")
    text: str = Field(description="bytes that are no UTF-8 are shown as U+FFFD; `\\r` and escapes are kept")
    truncated: bool = Field(description="the text is only the beginning; read the rest by offset")


class LogLines(Resource):
    lines: list[LogLine] = Field(description="empty where the log has fewer lines")
    next: int | None = Field(description="the line to go on with where not all that was asked for is here")
    total_lines: int = Field(description="how many there are now, one without an end included")
    final: bool = Field(description="false while the log may grow")


class LogSearch(Input):
    q: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00\n]+$", description="plain text, as it is")
    ignore_case: bool = Field(default=False, description="in every alphabet")
    context: int = Field(0, ge=0, le=5, description="lines to show before and after each match")
    limit: int = Field(50, ge=1, le=100)
    cursor: int = Field(0, ge=0, le=2**62, description="the offset to search from")


class LogMatch(Resource):
    line: int
    offset: int = Field(description="of the line's first byte")
    match_offset: int = Field(description="of the first match in the line; no other one of it is told")
    text: str = Field(description="the line, or the part of a long one around the match")
    truncated: bool
    before: list[str] = Field(description="lines of context, as far as they are near")
    after: list[str]


class LogMatches(Resource):
    matches: list[LogMatch]
    next: int | None = Field(
        description="the offset to go on from, as `cursor`, where not all was searched; null at the log's end"
    )
    searched_bytes: int
    final: bool = Field(description="false while the log may grow")
