"""Logs: by bytes, by lines, by what is in them, or all at once."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from pullyard.coordinator.auth.identify import Person
from pullyard.coordinator.executions.read import read_execution
from pullyard.coordinator.logs.download import download
from pullyard.coordinator.logs.lines import numbered_lines, read_lines
from pullyard.coordinator.logs.scan import Wish
from pullyard.coordinator.logs.stored import StoredLog
from pullyard.coordinator.problems import PROBLEM_RESPONSES
from pullyard.coordinator.services import Services, ServicesNeeded
from pullyard.protocol.logs import (
    RANGE_PATTERN,
    LogLines,
    LogMatches,
    LogSearch,
    LogStream,
    line_range,
)
from pullyard.protocol.resources import Page
from pullyard.store.queries import named

router = APIRouter(prefix="/api/v1/executions/{execution_id}/logs", tags=["logs"])

MAX_LOG_BYTES = 4 * 1024 * 1024
DEFAULT_LOG_BYTES = 1024 * 1024
FURTHEST = 2**62
ExecutionId = Annotated[str, Path(max_length=100, pattern=r"^[^\x00]*$")]
StreamName = Annotated[str, Path(max_length=50, pattern=r"^[a-z][a-z0-9-]*$")]
Offset = Annotated[int, Query(ge=0, le=FURTHEST)]
LogLimit = Annotated[int, Query(ge=0, le=MAX_LOG_BYTES)]
LINES = Query(
    pattern=RANGE_PATTERN,
    max_length=40,
    description="such as `120-140`, `120-` or `120`; the first line is 1",
)
_GONE: dict[int | str, dict[str, Any]] = {410: {**PROBLEM_RESPONSES[404], "description": "Gone"}}
_BEYOND = {416: {**PROBLEM_RESPONSES[404], "description": "Range Not Satisfiable"}}
_BYTES = {"content": {"application/octet-stream": {}}}
_TEXT = {"content": {"text/plain": {}}}


def stored_log(
    execution_id: ExecutionId, stream: StreamName, person: Person, services: ServicesNeeded
) -> StoredLog:
    return StoredLog(services, person.tenant_id, execution_id, stream)


Log = Annotated[StoredLog, Depends(stored_log)]


@router.get("")
async def list_logs(execution_id: ExecutionId, person: Person, services: ServicesNeeded) -> Page[LogStream]:
    """All streams of the execution; there are few, so there is one page."""
    async with services.database.transaction() as connection:
        await read_execution(connection, person.tenant_id, execution_id)
    return Page[LogStream](items=await streams_of(services, person.tenant_id, execution_id), next=None)


@router.get("/{stream}", response_class=Response, responses={200: _BYTES, **_GONE})
async def show_log(
    log: Log,
    offset: Offset = 0,
    limit: LogLimit = DEFAULT_LOG_BYTES,
    lines: Annotated[str | None, LINES] = None,
) -> Response:
    """Raw bytes from `offset`, or those of `lines`, `limit` at most.

    The header `Pullyard-Log-Offset` says where they begin, `Pullyard-Log-End` is the whole size now, and
    `Pullyard-Log-Final` is false while it may grow. Where `lines` are asked for, `Pullyard-Log-Next` is the
    line to go on with, if the limit left some out.
    """
    headers = {}
    if lines is None:
        part = await log.read(offset, limit)
        data, end, final = part.data, part.end, part.final
    else:
        found = await read_lines(log, *line_range(lines), max(1, limit))
        data, end, final, offset = found.data, found.end, found.final, found.offset
        if found.next is not None:
            headers["pullyard-log-next"] = str(found.next)
    headers |= {
        "pullyard-log-offset": str(offset),
        "pullyard-log-end": str(end),
        "pullyard-log-final": "true" if final else "false",
    }
    return Response(data, media_type="application/octet-stream", headers=headers)


@router.get("/{stream}/lines", responses=_GONE)
async def show_lines(
    log: Log,
    lines: Annotated[str, LINES] = "1-",
) -> LogLines:
    """Lines by their numbers, each with the offset of its first byte; at most 2,000 lines and 1 MiB."""
    return await numbered_lines(log, *line_range(lines))


@router.get("/{stream}/search", responses=_GONE)
async def search_log(log: Log, services: ServicesNeeded, wanted: Annotated[LogSearch, Query()]) -> LogMatches:
    """The lines that hold a text, in their order.

    An answer takes about two seconds at most: `next` is the `cursor` to go on from.
    """
    wish = Wish(wanted.q, wanted.ignore_case, wanted.context, wanted.limit)
    return await services.searches.search(log, wish, wanted.cursor)


@router.get("/{stream}/raw", response_class=Response, responses={200: _TEXT, 206: _TEXT, **_GONE, **_BEYOND})
async def download_log(
    execution_id: ExecutionId,
    stream: StreamName,
    log: Log,
    person: Person,
    services: ServicesNeeded,
    wanted: Annotated[str | None, Header(alias="Range", max_length=100)] = None,
    if_range: Annotated[str | None, Header(alias="If-Range", max_length=100)] = None,
) -> Response:
    """The whole log as a file, or one `Range` of it. Its `ETag` is the SHA-256, once the log is put away."""
    streams = await streams_of(services, person.tenant_id, execution_id)
    sha256 = next((one.sha256 for one in streams if one.stream == stream), None)
    unchanged = if_range is None or (sha256 is not None and if_range == f'"{sha256}"')
    return await download(log, f"{execution_id}-{stream}.log", sha256, wanted if unchanged else None)


async def streams_of(services: Services, tenant_id: str, execution_id: str) -> list[LogStream]:
    async with services.database.transaction() as connection:
        rows = await connection.execute(
            named("log_streams_list"), {"tenant_id": tenant_id, "execution_id": execution_id}
        )
        return [LogStream.model_validate(dict(row)) for row in rows.mappings()]
