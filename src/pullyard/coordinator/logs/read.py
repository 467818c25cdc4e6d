"""Read the log of an execution in the transaction that ends it: nothing of it is in object storage yet."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pullyard.coordinator.logs.frames import expand_kept
from pullyard.coordinator.logs.stored import MAX_CHUNKS, LogPart
from pullyard.protocol.errors import NotFound
from pullyard.store.queries import named


async def read_log(
    connection: AsyncConnection, tenant_id: str, execution_id: str, stream: str, *, offset: int, limit: int
) -> LogPart:
    """At most ``limit`` bytes from ``offset``, as ``StoredLog.read``; keep the limit small, as this is done
    on the event loop. A stream that nothing was written to is empty, not missing."""
    parameters = {"tenant_id": tenant_id, "execution_id": execution_id, "stream": stream}
    window = {"offset": offset, "until": offset + limit, "chunks": MAX_CHUNKS}
    rows = (await connection.execute(named("log_read"), {**parameters, **window})).all()
    if not rows:
        raise NotFound("execution")
    parts: list[bytes] = []
    for row in rows:
        if row.data is not None:
            data = expand_kept(row.data, row.size_bytes)
            parts.append(data[max(0, offset - row.start_offset) : offset + limit - row.start_offset])
    return LogPart(b"".join(parts), rows[0].stream_bytes, rows[0].final)
