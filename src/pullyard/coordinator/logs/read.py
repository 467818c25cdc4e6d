"""Read a log by byte offset, whatever frames it came in."""

from dataclasses import dataclass

import zstandard
from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named


@dataclass(frozen=True)
class LogPart:
    data: bytes
    end: int
    """The stream's whole size now."""
    final: bool
    """Nothing will be appended any more."""


async def read_log(
    connection: AsyncConnection, tenant_id: str, execution_id: str, stream: str, *, offset: int, limit: int
) -> LogPart:
    """At most ``limit`` bytes from ``offset``. A stream that nothing was written to is empty, not missing."""
    parameters = {"tenant_id": tenant_id, "execution_id": execution_id, "stream": stream}
    head = (await connection.execute(named("log_head"), parameters)).one_or_none()
    if head is None:
        raise NotFound("execution")
    if offset >= head.size_bytes or limit == 0:
        return LogPart(b"", head.size_bytes, head.final)
    rows = await connection.execute(
        named("log_chunks"), {**parameters, "offset": offset, "until": min(offset + limit, head.size_bytes)}
    )
    decompressor = zstandard.ZstdDecompressor()
    parts: list[bytes] = []
    for row in rows:
        data = decompressor.decompress(row.data, max_output_size=row.size_bytes)
        parts.append(data[max(0, offset - row.start_offset) : offset + limit - row.start_offset])
    return LogPart(b"".join(parts), head.size_bytes, head.final)
