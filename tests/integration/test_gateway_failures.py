"""Errors within answers that began well, slow answers, and providers that say anything."""

import asyncio
import json
import socket
import struct
from asyncio import Event
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.reasons import Reason
from pullyard.worker.gateway import exchange
from pullyard.worker.gateway.provider import Metered
from pullyard.worker.gateway.providers import PROVIDERS
from pullyard.worker.gateway.serve import Gateway
from tests.gateways import BARE_STREAM, WAYS, Way, gateway_by
from tests.model_server import Broken, ModelServer, Raw, Slow, Text
from tests.tcp import nobody

BY_NAME = {way.name: way for way in WAYS}
TURN = Text("Good morning.", input_tokens=1000, output_tokens=200)
COSTS = {"anthropic": 6000, "openai": 3600, "gemini": 800, "vertex": 6000, "bedrock": 6000}
"""Of that turn, in millionths of a dollar."""
PATIENCE_SECONDS = 60
ERRORS = [
    ("anthropic, streamed", '{"type": "error", "error": {"type": "overloaded_error"}}', 529),
    ("anthropic, streamed", '{"type": "error", "error": {"type": "rate_limit_error"}}', 429),
    ("chat, streamed", '{"error": {"code": 502, "message": "Upstream."}}', 502),
    ("chat, streamed", '{"error": {"code": "server_error"}}', 500),
    ("responses, streamed", '{"type": "error", "code": "rate_limit_exceeded"}', 429),
    ("responses, streamed", '{"type": "response.failed", "response": {"error": {"code": "x"}}}', 500),
    ("responses, streamed", '{"type": "error", "code": "insufficient_quota"}', 402),
    ("gemini, streamed", '{"error": {"code": 503, "status": "UNAVAILABLE"}}', 503),
]


@pytest.mark.parametrize(("name", "event", "status"), ERRORS)
async def test_an_error_within_a_stream_is_the_executions_reason(name: str, event: str, status: int) -> None:
    body = f"data: {event}\n\n".encode()
    way = BY_NAME[name]
    async with ModelServer([Raw(body), TURN]) as server, gateway_by(way, server) as (gateway, client):
        assert (await client.post(way.path, json=way.body)).content == body
        failure = gateway.ledger.failure
        assert failure is not None
        assert (failure.status, failure.limited is not None) == (status, status == 429)
        assert gateway.ledger.verdict().reason is Reason.PROVIDER_FAILED
        await client.post(way.path, json=way.body)
        assert gateway.ledger.failure is None


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_a_slow_answer_passes_whole(way: Way) -> None:
    async with ModelServer([Slow(TURN, 0.01)]) as server, gateway_by(way, server) as (gateway, client):
        assert (await client.post(way.path, json=way.body)).status_code == 200
        assert (gateway.ledger.usage.input_tokens, gateway.ledger.usage.output_tokens) == (1000, 200)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_a_provider_that_is_away_is_a_clear_error(way: Way) -> None:
    with nobody() as away:
        async with gateway_by(way, away) as (gateway, client):
            assert (await client.post(way.path, json=way.body)).status_code == 502
            assert gateway.ledger.requests == 0
            assert gateway.ledger.verdict().reason is Reason.PROVIDER_FAILED


async def leave(gateway: Gateway, way: Way, asked: Event, *, reset: bool) -> None:
    """Asks, and is gone as soon as the provider has the request."""
    body = json.dumps(way.body).encode()
    head = (
        f"POST {way.path} HTTP/1.1\r\nhost: 127.0.0.1:{gateway.port}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(head.encode() + body)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asked.wait()
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
    await writer.wait_closed()


async def served() -> None:
    """Returns when the gateway is done with all its connections."""
    serving = [task for task in asyncio.all_tasks() if "Gateway._talk" in repr(task)]
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*serving)


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_an_answer_that_the_client_leaves_is_counted(way: Way, *, reset: bool) -> None:
    server = ModelServer([TURN], release=Event())
    async with server, gateway_by(way, server) as (gateway, _):
        assert server.release is not None
        await leave(gateway, way, server.received, reset=reset)
        server.release.set()
        await served()
        used = gateway.ledger.usage
        assert (gateway.ledger.requests, used.input_tokens, used.output_tokens) == (1, 1000, 200)
        assert used.cost_micros == COSTS[way.provider]


STREAMS = [way for way in WAYS if "streamed" in way.name]


@pytest.mark.parametrize("way", STREAMS, ids=lambda way: way.name)
async def test_a_stream_that_the_client_leaves_is_counted_with_its_hidden_tokens(way: Way) -> None:
    thought = Text("Good morning.", input_tokens=1000, output_tokens=200, reasoning_tokens=150)
    async with ModelServer([Slow(thought, 0.02)]) as server, gateway_by(way, server) as (gateway, client):
        async with client.stream("POST", way.path, json=way.body) as answer:
            await anext(answer.aiter_raw())
        await served()
        used = gateway.ledger.usage
        assert (used.input_tokens, used.output_tokens) == (1000, 200)


def counts_the_most(gateway: Gateway, way: Way) -> bool:
    asked, used = metered(way), gateway.ledger.usage
    most = (asked.most.prompt, asked.most.output)
    return gateway.ledger.requests == 1 and (used.input_tokens, used.output_tokens) == most


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_an_answer_that_nobody_hears_is_counted_as_the_most(way: Way) -> None:
    server = ModelServer([TURN], release=Event())
    async with server, gateway_by(way, server) as (gateway, _):
        await leave(gateway, way, server.received, reset=True)
    assert counts_the_most(gateway, way)
    assert gateway.ledger.usage.cost_micros > 0


@pytest.mark.parametrize("way", STREAMS, ids=lambda way: way.name)
async def test_reading_on_for_a_client_that_left_has_an_end(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "READ_ON_SECONDS", 0.05)
    server = ModelServer([Raw(b": wait\n\n", hang=True)], release=Event())
    async with server, gateway_by(way, server) as (gateway, _):
        assert server.release is not None
        await leave(gateway, way, server.received, reset=True)
        server.release.set()
        await served()
        assert counts_the_most(gateway, way)


@asynccontextmanager
async def silent_provider(*, hangs: bool) -> AsyncIterator[str]:
    """Takes a request and says nothing to it."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        while hangs and await reader.read(65536):
            continue
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "closes"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_a_request_that_gets_no_answer_is_counted_as_the_most(way: Way, *, hangs: bool) -> None:
    async with silent_provider(hangs=hangs) as address, gateway_by(way, address) as (gateway, client):
        assert gateway.upstream is not None
        # The answer's alone: what never got as far as the provider would cost nothing.
        gateway.upstream.client.timeout = httpx.Timeout(PATIENCE_SECONDS, read=0.1 if hangs else None)
        assert (await client.post(way.path, content=json.dumps(way.body))).status_code == 502
        assert counts_the_most(gateway, way)
        assert gateway.ledger.verdict().reason is Reason.PROVIDER_FAILED


@pytest.mark.parametrize("way", STREAMS, ids=lambda way: way.name)
async def test_a_stream_that_breaks_off_is_counted_as_the_most_of_output(way: Way) -> None:
    async with ModelServer([Broken(TURN, 20)]) as server, gateway_by(way, server) as (gateway, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(way.path, content=json.dumps(way.body))
    assert counts_the_most(gateway, way)


async def test_geminis_stream_without_events_is_counted_from_its_list() -> None:
    async with ModelServer([TURN]) as server, gateway_by(BARE_STREAM, server) as (gateway, client):
        answer = await client.post(BARE_STREAM.path, json=BARE_STREAM.body)
        assert [piece["candidates"][0]["index"] for piece in answer.json()] == [0, 0, 0]
        assert (gateway.ledger.usage.input_tokens, gateway.ledger.usage.output_tokens) == (1000, 200)


HOSTILE = [
    Raw(b"data: " + b"[" * 100_000 + b"\n\n"),
    Raw(b'data: {"usage": {"prompt_tokens": -5, "completion_tokens": 1e400}}\n\n'),
    Raw(b"\0" * 2000, "application/vnd.amazon.eventstream"),
    Raw(b"\xff\xff\xff\xff" * 500, "application/vnd.amazon.eventstream"),
    Raw(b"<html>", "text/html"),
    Raw(b'{"usage": 5, "error": {"code": []}, "candidates": {}}', "application/json"),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_an_answer_of_another_kind_passes_and_is_not_free(way: Way) -> None:
    async with ModelServer(HOSTILE) as server, gateway_by(way, server) as (gateway, client):
        for turn in HOSTILE:
            before = gateway.ledger.usage.cost_micros
            answer = await client.post(way.path, json=way.body)
            assert answer.content == turn.body
            assert gateway.ledger.usage.cost_micros > before


def metered(way: Way) -> Metered:
    path, _, query = way.path.partition("?")
    parameters = dict(pair.split("=") for pair in query.split("&") if pair)
    passed = PROVIDERS[way.provider].read("POST", path, parameters, json.dumps(way.body).encode())
    assert passed is not None
    assert passed.metered is not None
    return passed.metered


KINDS = ["application/json", "text/event-stream", "application/vnd.amazon.eventstream", ""]
NUMBERS = st.integers(-(1 << 70), 1 << 70) | st.none() | st.text(max_size=3)
NAMES = ["prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "promptTokenCount"]
WORDS = ["usage", "usageMetadata", "message", "response", "choices", "candidates", "delta", "error", "code"]
INSIDE = st.recursive(
    NUMBERS | st.dictionaries(st.sampled_from(NAMES), NUMBERS),
    lambda inner: st.dictionaries(st.sampled_from(WORDS), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from(WAYS), st.sampled_from(KINDS), st.lists(INSIDE | st.binary(max_size=60), max_size=4))
def test_no_answer_makes_a_meter_raise_or_count_beyond_sense(
    way: Way, kind: str, pieces: list[object]
) -> None:
    meter = metered(way).open_meter(kind)
    for piece in pieces:
        data = piece if isinstance(piece, bytes) else json.dumps(piece).encode()
        meter.feed(b"data: " + data + b"\n\n")
    tokens = meter.tokens()
    assert 0 < tokens.prompt <= 3 << 40
    assert 0 <= tokens.output <= 2 << 40
    assert meter.failed is None or 400 <= meter.failed < 600
