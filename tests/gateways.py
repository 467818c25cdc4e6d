"""A gateway to a scripted model, and a request of every kind that it passes."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
from pydantic import SecretStr

from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.prices import PriceBook
from pullyard.worker.gateway.serve import Gateway
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream
from tests.model_server import ModelServer

KEY = "sk-canary-0123456789abcdef"


def listen() -> int:
    return socket.create_server(("127.0.0.1", 0)).detach()


@dataclass(frozen=True)
class Way:
    """One kind of request to one provider, as a client of it sends it to the gateway."""

    name: str
    provider: str
    path: str
    body: Mapping[str, Any]
    key_header: tuple[str, str]
    base: str = ""
    """What the provider's address ends in, in the worker's configuration."""
    sent_path: str = ""
    """As the provider gets it; empty is the same."""


_BEARER = ("authorization", f"Bearer {KEY}")
_ASK = [{"role": "user", "content": "hi"}]
_CLAUDE = {"max_tokens": 100, "messages": _ASK}
_PARTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
_GOOGLE = "/v1/projects/p/locations/l/publishers"
_OUTSIDE = "/v1/projects/own/locations/europe-west4"

ANTHROPIC = Way(
    "anthropic",
    "anthropic",
    "/v1/messages",
    {"model": "claude-sonnet-4-6-script", **_CLAUDE},
    ("x-api-key", KEY),
)
CHAT = Way(
    "chat",
    "openai",
    "/v1/chat/completions",
    {"model": "gpt-4.1-script", "messages": _ASK},
    _BEARER,
    base="/v1",
)
RESPONSES = Way(
    "responses",
    "openai",
    "/v1/responses",
    {"model": "gpt-4.1-script", "input": "hi", "store": False},
    _BEARER,
    base="/v1",
)
GEMINI = Way(
    "gemini",
    "gemini",
    "/v1beta/models/gemini-2.5-flash:generateContent",
    _PARTS,
    ("x-goog-api-key", KEY),
)
VERTEX = Way(
    "vertex",
    "vertex",
    f"{_GOOGLE}/anthropic/models/claude-sonnet-4-6@20251101:rawPredict",
    {"anthropic_version": "vertex-2023-10-16", **_CLAUDE},
    _BEARER,
    base=_OUTSIDE,
    sent_path=f"{_OUTSIDE}/publishers/anthropic/models/claude-sonnet-4-6@20251101:rawPredict",
)
BEDROCK = Way(
    "bedrock",
    "bedrock",
    "/model/eu.anthropic.claude-sonnet-4-6-20251101-v1:0/invoke",
    {"anthropic_version": "bedrock-2023-05-31", **_CLAUDE},
    _BEARER,
)


def _streamed(way: Way, **more: Any) -> Way:
    return replace(way, name=f"{way.name}, streamed", body={**way.body, "stream": True, **more})


def _moved(way: Way, old: str, new: str) -> Way:
    return replace(
        way,
        name=f"{way.name}, streamed",
        path=way.path.replace(old, new),
        sent_path=way.sent_path.replace(old, new),
    )


WAYS = (
    ANTHROPIC,
    _streamed(ANTHROPIC),
    CHAT,
    _streamed(CHAT, stream_options={"include_usage": True}),
    RESPONSES,
    _streamed(RESPONSES),
    GEMINI,
    _moved(GEMINI, "generateContent", "streamGenerateContent?alt=sse"),
    VERTEX,
    _moved(VERTEX, "rawPredict", "streamRawPredict"),
    BEDROCK,
    _moved(BEDROCK, "/invoke", "/invoke-with-response-stream"),
)
BARE_STREAM = _moved(GEMINI, "generateContent", "streamGenerateContent")
"""A list in pieces, which is no stream of events."""


@asynccontextmanager
async def gateway_by(
    way: Way,
    server: ModelServer | str,
    *,
    key: str | None = KEY,
    budget_micros: int | None = None,
    prices: PriceBook | None = None,
    **more: Any,
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    """The worker knows the server by the name ``here``. ``more`` is of ``ProviderSettings``."""
    address = (server if isinstance(server, str) else server.base_url) + way.base
    chosen = ProviderSettings(SecretStr(key) if key else None, address, api=way.provider, **more)
    upstream = open_upstream({"here": chosen})
    if prices is not None:
        upstream = replace(upstream, prices=prices)
    async with (
        upstream.client,
        Gateway(listen(), "here", upstream, Ledger(budget_micros)) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=20) as client,
    ):
        yield gateway, client
