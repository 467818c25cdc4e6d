"""One stored log: any range of its bytes and the place of any line, wherever its chunks are kept."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pullyard.coordinator.logs.frames import THREAD_BYTES, expand_kept
from pullyard.coordinator.services import Services
from pullyard.protocol.errors import NotFound, RemoteFailure, RequestError
from pullyard.store.queries import named

MAX_CHUNKS = 2_000
"""Read at once: a worker may have sent a byte a frame, and then a row costs more than what it holds."""


@dataclass(frozen=True)
class LogPart:
    data: bytes
    end: int
    """The stream's whole size now."""
    final: bool
    """Nothing will be appended any more."""


@dataclass(frozen=True)
class Chunk:
    start_offset: int
    start_line: int
    """How many lines end before it."""
    data: bytes


@dataclass(frozen=True)
class Found:
    """What one look brought: the stream as it is now, and the chunks that were asked for."""

    size_bytes: int
    lines: int
    final: bool
    chunks: list[Chunk]


class StoredLog:
    """Every method looks anew, so a live log is seen as it grows; what was read once stays as it was.

    Raises NotFound for an execution that is unknown or another tenant's, RequestError with status 410 where
    the log has expired, RemoteFailure where its object can't be had now. A stream that nothing was written to
    is empty, not missing. No connection is held while an object is fetched.
    """

    def __init__(self, services: Services, tenant_id: str, execution_id: str, stream: str) -> None:
        self._services = services
        self._key = {"tenant_id": tenant_id, "execution_id": execution_id, "stream": stream}

    async def find(self, offset: int, limit: int) -> Found:
        """The chunks that hold the bytes from ``offset`` on, without gaps; fewer than ``limit`` bytes where
        they came in a great many frames. With a limit of 0 there are none."""
        window = {"offset": offset, "until": offset + limit, "chunks": MAX_CHUNKS}
        return await self._look("log_read", window)

    async def read(self, offset: int, limit: int) -> LogPart:
        """At most ``limit`` bytes from ``offset``, and at least one where there is one."""
        found = await self.find(offset, limit)
        parts = [
            chunk.data[max(0, offset - chunk.start_offset) : offset + limit - chunk.start_offset]
            for chunk in found.chunks
        ]
        return LogPart(b"".join(parts), found.size_bytes, found.final)

    async def line_start(self, number: int) -> int | None:
        """The offset at which line ``number`` starts, the first one being 1; None where there are fewer.

        After the last line's end there starts one more line, which may be empty.
        """
        if number == 1:
            return 0
        found = await self._look("log_line", {"line": number - 1})
        if not found.chunks:
            return None
        chunk = found.chunks[0]
        return chunk.start_offset + after_newline(chunk.data, number - 1 - chunk.start_line)

    async def line_at(self, offset: int) -> int:
        """The number of the line that the byte at ``offset`` belongs to, or would if there were one."""
        if offset == 0:
            return 1
        found = await self.find(offset - 1, 1)
        if not found.chunks:
            return found.lines + 1
        chunk = found.chunks[0]
        return chunk.start_line + chunk.data.count(b"\n", 0, offset - chunk.start_offset) + 1

    async def _look(self, query: str, parameters: dict[str, int]) -> Found:
        async with self._services.database.transaction() as connection:
            rows = (await connection.execute(named(query), {**self._key, **parameters})).all()
        if not rows:
            raise NotFound("execution")
        head = rows[0]
        if head.expired_at is not None:
            raise expired(head.expired_at)
        kept = [row for row in rows if row.start_offset is not None]
        chunks = await self._expand(kept, await self._frames(kept))
        return Found(head.stream_bytes, head.stream_lines, head.final, chunks)

    async def _frames(self, rows: list[Any]) -> list[bytes]:
        """The compressed bytes of each row. In an object the frames of neighbours stand side by side."""
        if not rows or rows[0].data is not None:
            return [row.data for row in rows]
        objects = self._services.objects
        if objects is None:
            raise RemoteFailure(
                "This log is in object storage: set PULLYARD_ARCHIVE_URL as it was.",
                retryable=False,
                code="archive-unset",
            )
        first, last = rows[0], rows[-1]
        begin, end = first.object_offset, last.object_offset + last.object_bytes
        data = await objects.read(first.object_key, begin, end - begin)
        return [data[row.object_offset - begin :][: row.object_bytes] for row in rows]

    async def _expand(self, rows: list[Any], frames: list[bytes]) -> list[Chunk]:
        def expand_all() -> list[Chunk]:
            return [
                Chunk(row.start_offset, row.start_line, expand_kept(frame, row.size_bytes))
                for row, frame in zip(rows, frames, strict=True)
            ]

        if sum(row.size_bytes for row in rows) > THREAD_BYTES:
            return await asyncio.to_thread(expand_all)
        return expand_all()


def after_newline(data: bytes, number: int) -> int:
    """The place right after newline ``number`` of ``data``, the first one being 1; there must be so many.

    By halving: a split would make an object for each of what may be a million lines.
    """
    low, high = 0, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        before = data.count(b"\n", low, middle)
        if before >= number:
            high = middle
        else:
            number -= before
            low = middle
    return high


def expired(at: datetime) -> RequestError:
    return RequestError(
        f"This log was kept for as long as the settings say and removed on {at:%Y-%m-%d}.",
        code="log-expired",
        status=410,
    )
