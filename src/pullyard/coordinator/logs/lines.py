"""Lines of a log by their numbers. Lines end at ``\\n`` alone: ``\\r`` redraws are part of their line."""

from dataclasses import dataclass

from pullyard.coordinator.logs.stored import StoredLog
from pullyard.protocol.logs import LogLine, LogLines

MAX_LINES = 2_000
"""In one answer with numbers: each is an object, made on the event loop."""
MAX_LINES_BYTES = 1024 * 1024


@dataclass(frozen=True)
class LinePart:
    """Whole lines with their ends; where a single line is longer than the limit, its beginning."""

    offset: int
    data: bytes
    first: int
    next: int | None
    """The line to go on with, where the range has more."""
    total: int
    end: int
    final: bool


async def read_lines(log: StoredLog, first: int, last: int, limit_bytes: int) -> LinePart:
    """A few looks into the index, and no more of the log than what is answered."""
    found = await log.find(0, 0)
    size_bytes = found.size_bytes
    total = await count_lines(log, found.lines, size_bytes)
    start = await log.line_start(first) if first <= total else None
    if start is None:
        return LinePart(size_bytes, b"", first, None, total, size_bytes, found.final)
    following = await log.line_start(last + 1) if last < total else None
    stop = size_bytes if following is None else following
    data = await read_whole(log, start, min(stop - start, limit_bytes))
    going_on = last + 1
    if start + len(data) < stop:
        # Whole lines only; but of a line that is longer than an answer its beginning is all there can be.
        data = data[: data.rfind(b"\n") + 1] or data
        going_on = first + max(1, data.count(b"\n"))
    more = going_on if going_on <= min(last, total) else None
    return LinePart(start, data, first, more, total, size_bytes, found.final)


async def count_lines(log: StoredLog, ends: int, size_bytes: int) -> int:
    """The lines that there are to read: those that have ended, and one more where bytes follow."""
    last_end = await log.line_start(ends + 1)
    return ends + (last_end is not None and last_end < size_bytes)


async def read_whole(log: StoredLog, offset: int, size_bytes: int) -> bytes:
    """All these bytes, in as many reads as it takes."""
    parts: list[bytes] = []
    while size_bytes:
        part = (await log.read(offset, size_bytes)).data
        if not part:
            break
        parts.append(part)
        offset, size_bytes = offset + len(part), size_bytes - len(part)
    return b"".join(parts)


async def numbered_lines(log: StoredLog, first: int, last: int) -> LogLines:
    """The lines one by one, each with its number and the offset of its first byte."""
    until = min(last, first + MAX_LINES - 1)
    part = await read_lines(log, first, until, MAX_LINES_BYTES)
    lines: list[LogLine] = []
    offset = part.offset
    pieces = part.data.split(b"\n")
    if pieces[-1] == b"":
        del pieces[-1]
    for number, piece in enumerate(pieces, part.first):
        lines.append(one_line(number, offset, piece, len(piece)))
        offset += len(piece) + 1
    if lines and part.data and not part.data.endswith(b"\n"):
        size_bytes = await size_of_line(log, lines[-1], part)
        lines[-1] = one_line(lines[-1].number, lines[-1].offset, pieces[-1], size_bytes)
    more = part.next or (until + 1 if until < min(last, part.total) else None)
    return LogLines(lines=lines, next=more, total_lines=part.total, final=part.final)


async def size_of_line(log: StoredLog, line: LogLine, part: LinePart) -> int:
    """Of a line whose end was not read: it is longer than an answer, or it has none yet."""
    following = await log.line_start(line.number + 1)
    return (part.end if following is None else following - 1) - line.offset


def one_line(number: int, offset: int, data: bytes, size_bytes: int) -> LogLine:
    text = data.decode(errors="replace")
    truncated = len(data) < size_bytes
    return LogLine(number=number, offset=offset, size_bytes=size_bytes, text=text, truncated=truncated)
