"""What an engine tells of a pull or a build while it goes on: one JSON object a line."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from pullyard.sandboxes.docker.engine import Engine, EngineRefused, said

LINE_BYTES = 1 << 20


@asynccontextmanager
async def engine_news(
    engine: Engine, path: str, query: Mapping[str, str], content: Any = None
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """The engine gives the work up when the block is left early. Raises EngineRefused, EngineLost."""
    # A build may be silent for as long as it takes; who asks has a limit of its own.
    patient = httpx.Timeout(60, read=None, write=None)
    headers = {"Content-Type": "application/x-tar"} if content is not None else {}
    try:
        async with engine.client.stream(
            "POST", path, params=query, content=content, headers=headers, timeout=patient
        ) as answer:
            if answer.is_error:
                raise EngineRefused(answer.status_code, said(await answer.aread()))
            yield objects(answer)
    except httpx.HTTPError as lost:
        raise engine.gone(lost) from lost


async def objects(answer: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """What is no object of a sensible size is left out."""
    rest = b""
    async for piece in answer.aiter_bytes():
        *lines, rest = (rest + piece).split(b"\n")
        for line in [*lines, *([rest] if rest.endswith(b"}") else [])]:
            try:
                news = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if line is rest:
                rest = b""
            if isinstance(news, dict):
                yield news
        rest = rest[-LINE_BYTES:]
