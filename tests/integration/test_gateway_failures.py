"""Errors within answers that began well, slow answers, and providers that say anything."""

import asyncio
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.lifecycle.reasons import Reason
from pullyard.worker.gateway.provider import Metered
from pullyard.worker.gateway.providers import PROVIDERS
from tests.gateways import BARE_STREAM, WAYS, Way, gateway_by
from tests.model_server import ModelServer, Raw, Slow, Text

BY_NAME = {way.name: way for way in WAYS}
TURN = Text("Good morning.", input_tokens=1000, output_tokens=200)
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
    with socket.create_server(("127.0.0.1", 0)) as held:
        nobody = f"http://127.0.0.1:{held.getsockname()[1]}"
    async with gateway_by(way, nobody) as (gateway, client):
        assert (await client.post(way.path, json=way.body)).status_code == 502
        assert gateway.ledger.verdict().reason is Reason.PROVIDER_FAILED


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_an_answer_that_the_client_leaves_is_counted(way: Way) -> None:
    server = ModelServer([TURN], release=asyncio.Event())
    async with server, gateway_by(way, server) as (gateway, client):
        asked = asyncio.create_task(client.post(way.path, json=way.body))
        await asyncio.wait_for(server.received.wait(), 10)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await client.aclose()
    assert gateway.ledger.requests == 1
    assert gateway.ledger.usage.cost_micros > 0


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
