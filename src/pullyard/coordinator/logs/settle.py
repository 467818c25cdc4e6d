"""Put an ended log away: in large frames, and in object storage where there is one.

Nothing is removed before what takes its place is durable and was read back. A process that dies anywhere
leaves the log as readable as it was, and the next attempt begins anew.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import zstandard

from pullyard.coordinator.logs.frames import damaged, expand_kept
from pullyard.coordinator.logs.stored import StoredLog
from pullyard.coordinator.services import Services
from pullyard.lifecycle.crash_points import reached
from pullyard.store.objects import Objects
from pullyard.store.queries import named

BLOCK_BYTES = 1024 * 1024
"""A frame has at least so many bytes, but for the last one, and less than twice as many: a range is read by
expanding little more than itself, and the compression gains nothing from longer ones."""
LEVEL = 6
"""At 120 MB/s a tenth smaller than what workers send; level 9 saves 6 % more and takes five times as long."""


class Superseded(Exception):
    """Another archiver took the log over, because this attempt took too long."""


@dataclass(frozen=True)
class Attempt:
    """The right to put one log away until its time is up; ``key`` names it, and the object that it writes."""

    tenant_id: str
    execution_id: str
    stream: str
    size_bytes: int
    key: str

    @property
    def stream_key(self) -> dict[str, str]:
        return {"execution_id": self.execution_id, "stream": self.stream}


@dataclass(frozen=True)
class Block:
    """Whole chunks side by side, before they become one frame."""

    start_offset: int
    start_line: int
    data: bytes
    chunks: int


@dataclass(frozen=True)
class Frame:
    start_offset: int
    size_bytes: int
    start_line: int
    lines: int
    object_offset: int
    object_bytes: int


@dataclass
class Writing:
    """What is known of an object while its frames are made."""

    raw: Any = field(default_factory=hashlib.sha256)
    packed: Any = field(default_factory=hashlib.sha256)
    frames: list[Frame] = field(default_factory=list)
    object_bytes: int = 0

    def pack(self, block: Block) -> bytes:
        self.raw.update(block.data)
        frame = compress(block.data)
        self.packed.update(frame)
        lines = block.data.count(b"\n")
        place = (self.object_bytes, len(frame))
        self.frames.append(Frame(block.start_offset, len(block.data), block.start_line, lines, *place))
        self.object_bytes += len(frame)
        return frame


def compress(data: bytes) -> bytes:
    """One frame that tells its size and is checked when it is expanded."""
    return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)


async def settle_in_object(services: Services, objects: Objects, attempt: Attempt) -> None:
    """Afterwards the chunks' rows say where their frames stand in the object. Raises Superseded."""
    writing = Writing()

    async def frames() -> AsyncIterator[bytes]:
        async for block in blocks(services, attempt):
            yield await asyncio.to_thread(writing.pack, block)

    await objects.put(attempt.key, frames())
    reached("log-object-written")
    await read_back(objects, attempt.key, writing)
    async with services.database.transaction() as connection:
        await hold(connection, attempt)
        await remove(connection, attempt, 0, attempt.size_bytes)
        places = [{**attempt.stream_key, **vars(frame), "data": None} for frame in writing.frames]
        await connection.execute(named("log_chunk_create"), places)
        await connection.execute(
            named("log_settle_end"),
            {
                **attempt.stream_key,
                "key": attempt.key,
                "place": "archived",
                "sha256": writing.raw.digest(),
                "object_key": attempt.key,
                "object_bytes": writing.object_bytes,
                "object_sha256": writing.packed.digest(),
            },
        )
        reached("log-object-before-commit")
    reached("log-object-after-commit")


async def read_back(objects: Objects, key: str, writing: Writing) -> None:
    """Raises RemoteFailure unless the object holds every byte of the log, frame by frame."""
    raw, packed = hashlib.sha256(), hashlib.sha256()
    waiting = bytearray()
    frames = iter(writing.frames)
    frame = next(frames, None)

    def check(piece: bytes) -> None:
        nonlocal frame
        packed.update(piece)
        waiting.extend(piece)
        while frame is not None and len(waiting) >= frame.object_bytes:
            raw.update(expand_kept(bytes(waiting[: frame.object_bytes]), frame.size_bytes))
            del waiting[: frame.object_bytes]
            frame = next(frames, None)

    async for piece in objects.pieces(key):
        await asyncio.to_thread(check, piece)
    same = (raw.digest(), packed.digest()) == (writing.raw.digest(), writing.packed.digest())
    if waiting or frame is not None or not same:
        raise damaged()


async def settle_in_database(services: Services, attempt: Attempt) -> None:
    """Afterwards the chunks are few and large. Each block is a transaction of its own. Raises Superseded."""
    raw = hashlib.sha256()

    def pack(block: Block) -> bytes:
        raw.update(block.data)
        return compress(block.data)

    async for block in blocks(services, attempt):
        frame = await asyncio.to_thread(pack, block)
        if block.chunks == 1:
            continue
        async with services.database.transaction() as connection:
            await hold(connection, attempt)
            await remove(connection, attempt, block.start_offset, block.start_offset + len(block.data))
            row = {
                "start_offset": block.start_offset,
                "size_bytes": len(block.data),
                "start_line": block.start_line,
                "lines": block.data.count(b"\n"),
                "data": frame,
                "object_offset": None,
                "object_bytes": None,
            }
            await connection.execute(named("log_chunk_create"), {**attempt.stream_key, **row})
        reached("log-block-compacted")
    async with services.database.transaction() as connection:
        await hold(connection, attempt)
        nowhere = {"object_key": None, "object_bytes": None, "object_sha256": None}
        facts = {"key": attempt.key, "place": "compacted", "sha256": raw.digest(), **nowhere}
        await connection.execute(named("log_settle_end"), {**attempt.stream_key, **facts})


async def blocks(services: Services, attempt: Attempt) -> AsyncIterator[Block]:
    """The whole log, some megabytes of it in memory at a time."""
    log = StoredLog(services, attempt.tenant_id, attempt.execution_id, attempt.stream)
    offset = 0
    while offset < attempt.size_bytes:
        start, start_line, parts = offset, 0, []
        while offset - start < BLOCK_BYTES and offset < attempt.size_bytes:
            found = await log.find(offset, BLOCK_BYTES - (offset - start))
            if not found.chunks:
                raise damaged()
            if found.chunks[0].start_offset != offset:
                # Somebody else has put other chunks in the place of those that were there.
                raise Superseded
            start_line = start_line if parts else found.chunks[0].start_line
            parts += [chunk.data for chunk in found.chunks]
            offset += sum(len(chunk.data) for chunk in found.chunks)
        yield Block(start, start_line, b"".join(parts), len(parts))


async def hold(connection: Any, attempt: Attempt) -> None:
    parameters = {**attempt.stream_key, "key": attempt.key, "stream_bytes": attempt.size_bytes}
    if await connection.scalar(named("log_settle_hold"), parameters) is None:
        raise Superseded


async def remove(connection: Any, attempt: Attempt, offset: int, until: int) -> None:
    parameters = {**attempt.stream_key, "offset": offset, "until": until}
    await connection.execute(named("log_chunks_remove"), parameters)
