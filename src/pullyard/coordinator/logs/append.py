"""Append a frame of a log: exactly at its end, as it came, with the fence checked beside it."""

import re

from pullyard.coordinator.log_fields import about_execution
from pullyard.coordinator.logs.frames import check_frame, expand
from pullyard.coordinator.services import Services
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import LIVE_EXECUTION_STATES
from pullyard.protocol.errors import Conflict, LostLease, NotFound, RequestError
from pullyard.store.queries import named

MAX_STREAMS = 16
_STREAM = re.compile(r"[a-z][a-z0-9-]{0,49}")


async def append_log(
    services: Services, owner: tuple[str, str, str], *, stream: str, fence: int, offset: int, frame: bytes
) -> int:
    """``owner`` is tenant, worker and execution; returns the stream's new end once it is durable.

    Raises Conflict ``log-offset`` with the end where ``offset`` is another, LostLease for a stale fence.
    """
    tenant_id, worker_id, execution_id = owner
    if not _STREAM.fullmatch(stream):
        raise RequestError("A stream's name has lower-case letters, digits and dashes.")
    data = expand(frame, check_frame(frame))
    if offset + len(data) > services.settings.log_stream_bytes:
        raise RequestError("This log has reached its limit.", code="log-full", status=413)
    async with services.database.transaction() as connection:
        row = (
            await connection.execute(
                named("log_stream_lock"),
                {"tenant_id": tenant_id, "execution_id": execution_id, "stream": stream},
            )
        ).one_or_none()
        if row is None:
            raise NotFound("execution")
        about_execution(row)
        if row.worker_id != worker_id or row.fence != fence or row.state not in LIVE_EXECUTION_STATES:
            raise LostLease
        if row.size_bytes != offset:
            raise Conflict(
                f"The log ends at {row.size_bytes}: go on from there.",
                code="log-offset",
                details={"end": row.size_bytes},
            )
        if offset == 0:
            streams = await connection.scalar(named("log_streams_count"), {"execution_id": execution_id})
            if streams > MAX_STREAMS:
                raise RequestError(
                    f"An execution has at most {MAX_STREAMS} log streams.", code="too-many-streams"
                )
        await connection.execute(
            named("log_append"),
            {
                "execution_id": execution_id,
                "stream": stream,
                "offset": offset,
                "size_bytes": len(data),
                "lines": data.count(b"\n"),
                "data": frame,
            },
        )
        reached("log-before-commit")
    reached("log-after-commit")
    return offset + len(data)
