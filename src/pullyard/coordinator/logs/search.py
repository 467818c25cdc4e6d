"""Find plain text in a stored log: within bounds of time and memory, and to be gone on with from a cursor."""

import asyncio
import time

from pullyard.coordinator.logs.scan import EDGE_BYTES, Scan, Wish
from pullyard.coordinator.logs.stored import StoredLog
from pullyard.protocol.logs import LogMatches

PIECE_BYTES = 1024 * 1024
SLICE_BYTES = 128 * 1024
"""Looked through in one go: the event loop can't run meanwhile, whatever thread it is done in."""
SEARCH_BYTES = 128 * 1024 * 1024
SEARCH_SECONDS = 2.0
SEARCHES_AT_ONCE = 2
"""In one process; more wait for their turn. Each takes a few megabytes and most of a core."""


class Searches:
    """Made once a process, so that many searches do not starve what else it does."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(SEARCHES_AT_ONCE)

    async def search(self, log: StoredLog, wish: Wish, cursor: int) -> LogMatches:
        """From the offset ``cursor`` to the end, the limit of matches, or the bound of time or bytes.

        Regular expressions are not offered: their time is not bounded by the length of the log.
        """
        async with self._turns:
            return await search(log, wish, cursor)


async def search(log: StoredLog, wish: Wish, cursor: int) -> LogMatches:
    give_up_at = time.monotonic() + SEARCH_SECONDS
    offset = max(0, cursor - EDGE_BYTES)
    line = await log.line_at(offset)
    line_start = await log.line_start(line)
    scan = Scan(wish, offset=offset, line=line, line_start=line_start or 0, begin=cursor)
    while True:
        part = await log.read(offset, PIECE_BYTES)
        offset += len(part.data)
        ended = offset >= part.end
        await asyncio.to_thread(feed, scan, part.data, last=ended)
        if ended or scan.full or time.monotonic() > give_up_at or offset - cursor > SEARCH_BYTES:
            break
    following = scan.next
    if scan.told_line:
        # Never a second match of a line that is told, also where the next search begins within it.
        after = await log.line_start(scan.told_line + 1)
        following = max(following, part.end if after is None else after)
    return LogMatches(
        matches=scan.matches,
        next=following if following < part.end else None,
        searched_bytes=max(0, min(following, part.end) - cursor),
        final=part.final,
    )


def feed(scan: Scan, data: bytes, *, last: bool) -> None:
    """``data`` slice by slice, until the scan is full."""
    begin = 0
    while True:
        end = begin + SLICE_BYTES
        scan.feed(data[begin:end], last=last and end >= len(data))
        if end >= len(data) or scan.full:
            return
        begin = end
