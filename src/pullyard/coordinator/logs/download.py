"""A whole log, or a range of it by the rules of HTTP, with no more than a piece of it in memory."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Response
from fastapi.responses import StreamingResponse

from pullyard.coordinator.logs.stored import LogPart, StoredLog
from pullyard.protocol.errors import RequestError

PIECE_BYTES = 1024 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    begin: int
    end: int
    """The first byte that does not belong to it."""


def span_of(header: str | None, size_bytes: int) -> Span | None:
    """What the header ``Range`` asks for; None where it has to be ignored: none, several or nonsense.

    Raises RequestError with status 416 where the log has no such bytes.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    begin = int(first) if first else max(0, size_bytes - int(last))
    end = min(size_bytes, int(last) + 1) if first and last else size_bytes
    if begin >= end:
        raise RequestError(
            f"The log has {size_bytes} bytes, and this range begins after them.",
            code="range-after-end",
            status=416,
        )
    return Span(begin, end)


async def download(log: StoredLog, name: str, sha256: str | None, range_header: str | None) -> Response:
    """Of a live log what is there now. The first piece is read before the answer begins, so that a log that
    can't be had is a problem with its own status, and not an answer that breaks off."""
    head = await log.find(0, 0)
    span = span_of(range_header, head.size_bytes)
    begin, end = (span.begin, span.end) if span else (0, head.size_bytes)
    first = await log.read(begin, min(PIECE_BYTES, end - begin))
    headers = {
        "accept-ranges": "bytes",
        "content-length": str(end - begin),
        "content-disposition": f'attachment; filename="{name}"',
        "pullyard-log-end": str(head.size_bytes),
        "pullyard-log-final": "true" if head.final else "false",
    }
    if sha256 is not None:
        headers["etag"] = f'"{sha256}"'
    if span is not None:
        headers["content-range"] = f"bytes {begin}-{end - 1}/{head.size_bytes}"
    return StreamingResponse(
        pieces(log, begin, end, first),
        status_code=200 if span is None else 206,
        headers=headers,
        media_type="text/plain; charset=utf-8",
    )


async def pieces(log: StoredLog, begin: int, end: int, first: LogPart) -> AsyncIterator[bytes]:
    part = first
    while part.data:
        yield part.data
        begin += len(part.data)
        if begin >= end:
            return
        part = await log.read(begin, min(PIECE_BYTES, end - begin))
