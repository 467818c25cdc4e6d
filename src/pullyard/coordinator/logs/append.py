"""Append a frame of a log: exactly at its end, as it came, with the fence checked beside it."""

import asyncio
import re

from pullyard.coordinator.log_fields import about_execution
from pullyard.coordinator.logs.frames import THREAD_BYTES, check_frame, expand
from pullyard.coordinator.logs.group import Frame
from pullyard.coordinator.services import Services
from pullyard.lifecycle.crash_points import reached
from pullyard.lifecycle.execution import LIVE_EXECUTION_STATES
from pullyard.protocol.errors import Conflict, LostLease, NotFound, RequestError
from pullyard.store.queries import named

MAX_STREAMS = 16
HIGHEST = 2**62
_STREAM = re.compile(r"[a-z][a-z0-9-]{0,49}")


async def append_log(
    services: Services, owner: tuple[str, str, str], *, stream: str, fence: int, offset: int, frame: bytes
) -> int:
    """``owner`` is tenant, worker and execution; returns the stream's new end once it is durable.

    Raises Conflict ``log-offset`` with the end where ``offset`` is another, LostLease for a stale fence.
    """
    if not _STREAM.fullmatch(stream):
        raise RequestError("A stream's name has lower-case letters, digits and dashes.")
    size_bytes = check_frame(frame)
    if offset + size_bytes > services.settings.log_stream_bytes:
        raise RequestError("This log has reached its limit.", code="log-full", status=413)
    if not -HIGHEST < fence < HIGHEST:
        raise LostLease
    if "\0" in owner[2]:
        # The database would refuse it, and with it all that is appended in the same statement.
        raise NotFound("execution")
    if size_bytes > THREAD_BYTES:
        data = await asyncio.to_thread(expand, frame, size_bytes)
    else:
        data = expand(frame, size_bytes)
    wanted = Frame(*owner, fence, stream, offset, size_bytes, data.count(b"\n"), frame)
    # The first frame of a stream makes its row, and whatever does not fit is to be told why.
    if offset <= 0 or not await services.log_appends.append(wanted):
        await append_alone(services, wanted)
    reached("log-after-commit")
    return offset + size_bytes


async def append_alone(services: Services, frame: Frame) -> None:
    """In a transaction that says why it can't be done: it waits for its turn and looks at each condition."""
    key = {"execution_id": frame.execution_id, "stream": frame.stream}
    async with services.database.transaction() as connection:
        row = (
            await connection.execute(named("log_stream_lock"), {"tenant_id": frame.tenant_id, **key})
        ).one_or_none()
        if row is None:
            raise NotFound("execution")
        about_execution(row)
        live = row.state in LIVE_EXECUTION_STATES
        if row.worker_id != frame.worker_id or row.fence != frame.fence or not live:
            raise LostLease
        if row.size_bytes != frame.offset:
            raise Conflict(
                f"The log ends at {row.size_bytes}: go on from there.",
                code="log-offset",
                details={"end": row.size_bytes},
            )
        if frame.offset == 0:
            streams = await connection.scalar(
                named("log_streams_count"), {"execution_id": frame.execution_id}
            )
            if streams > MAX_STREAMS:
                raise RequestError(
                    f"An execution has at most {MAX_STREAMS} log streams.", code="too-many-streams"
                )
        sizes = {"offset": frame.offset, "size_bytes": frame.size_bytes, "lines": frame.lines}
        await connection.execute(named("log_append"), {**key, **sizes, "data": frame.data})
        reached("log-before-commit")
