"""What holds for every model provider and every kind of request that the gateway passes."""

import json
import logging
from typing import Any

import httpx
import pytest

from pullyard.lifecycle.reasons import Reason
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import Metered
from pullyard.worker.gateway.providers import PROVIDERS
from tests.gateways import KEY, WAYS, Way, gateway_by
from tests.model_server import Broken, Failure, ModelServer, Raw, Text, ToolUse

pytestmark = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
TURN = Text("Good morning.", input_tokens=1000, output_tokens=200, cached_tokens=400, reasoning_tokens=50)
CALL = ToolUse("run", {"command": "ls ä"}, input_tokens=500, output_tokens=40)
COSTS = {"anthropic": 4920, "openai": 3000, "gemini": 692, "vertex": 4920, "bedrock": 4920}
"""Of that turn, in millionths of a dollar: 600 tokens, 400 from a cache, and 200 out."""


def test_every_provider_is_among_them(way: Way) -> None:
    assert way.provider in {one.provider for one in WAYS} == set(PROVIDERS)


async def test_an_answer_passes_byte_for_byte_and_is_counted(way: Way) -> None:
    async with ModelServer([TURN]) as straight, httpx.AsyncClient(base_url=straight.base_url) as client:
        expected = await client.post(way.sent_path or way.path, json=way.body)
    async with ModelServer([TURN]) as server, gateway_by(way, server) as (gateway, client):
        answer = await client.post(way.path, json=way.body)
        assert (answer.status_code, answer.content) == (200, expected.content)
        assert answer.headers["content-type"] == expected.headers["content-type"]
        used = gateway.ledger.usage
        assert (used.input_tokens, used.output_tokens) == (1000, 200)
        assert used.cost_micros == COSTS[way.provider]


async def test_a_tool_call_passes_and_is_counted(way: Way) -> None:
    async with ModelServer([CALL]) as server, gateway_by(way, server) as (gateway, client):
        answer = await client.post(way.path, json=way.body)
        assert answer.status_code == 200
        assert (gateway.ledger.usage.input_tokens, gateway.ledger.usage.output_tokens) == (500, 40)


def shape(error: Any) -> Any:
    """An error without its sentence."""
    if isinstance(error, dict):
        return {name: shape(value) for name, value in error.items() if name != "message"}
    return error


AUTHENTICATION = {
    "authorization": "Bearer mine",
    "x-api-key": "mine",
    "api-key": "mine",
    "x-goog-api-key": "mine",
    "x-goog-user-project": "mine",
    "openai-organization": "mine",
    "openai-project": "mine",
    "x-amz-security-token": "mine",
    "cookie": "a=mine",
    "proxy-authorization": "Basic mine",
}


async def test_the_key_is_added_and_the_clients_own_authentication_is_gone(way: Way) -> None:
    async with ModelServer([TURN]) as server, gateway_by(way, server) as (_, client):
        assert (await client.post(way.path, json=way.body, headers=AUTHENTICATION)).status_code == 200
        seen = server.requests[0].headers
        name, value = way.key_header
        assert seen[name] == value
        assert all("mine" not in text for text in seen.values())


@pytest.mark.parametrize("turn", [TURN, Failure(401), Failure(500)], ids=["answer", "401", "500"])
async def test_the_key_is_in_no_answer_and_no_log(
    way: Way, turn: Text | Failure, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ModelServer([turn]) as server, gateway_by(way, server) as (gateway, client):
        answer = await client.post(way.path, json=way.body)
        texts = [answer.text, str(answer.headers), repr(gateway), repr(gateway.ledger), caplog.text]
    printed = capsys.readouterr()
    assert all(KEY not in text for text in [*texts, printed.out, printed.err])


async def test_the_first_piece_passes_before_the_answer_ends(way: Way) -> None:
    first = b'data: {"x": 1}\n\n'
    async with (
        ModelServer([Raw(first, hang=True)]) as server,
        gateway_by(way, server) as (_, client),
        client.stream("POST", way.path, json=way.body) as answer,
    ):
        assert await anext(answer.aiter_raw()) == first


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503, 529])
async def test_an_error_passes_costs_nothing_and_is_the_executions_reason(way: Way, status: int) -> None:
    failure = Failure(status, message="No.", headers=[("retry-after", "7"), ("set-cookie", "a=b")])
    async with ModelServer([failure, TURN]) as server, gateway_by(way, server) as (gateway, client):
        answer = await client.post(way.path, json=way.body)
        assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
        assert "No." in answer.text
        assert "set-cookie" not in answer.headers
        ledger = gateway.ledger
        assert (ledger.usage.cost_micros, ledger.failure and ledger.failure.status) == (0, status)
        assert ledger.verdict().reason is Reason.PROVIDER_FAILED
        assert (await client.post(way.path, json=way.body)).status_code == 200
        assert ledger.failure is None


async def test_a_near_end_of_a_limit_is_waited_for(way: Way) -> None:
    limit = Failure(429, message="Slow down.", headers=[("retry-after", "0.1")])
    async with ModelServer([limit, TURN]) as server, gateway_by(way, server) as (gateway, client):
        assert (await client.post(way.path, json=way.body)).status_code == 200
        assert len(server.requests) == 2
        assert gateway.ledger.usage.cost_micros == COSTS[way.provider]
        assert gateway.ledger.failure is None


async def test_a_limit_that_lasts_is_told(way: Way) -> None:
    limit = Failure(429, message="Slow down.", headers=[("retry-after", "7200")])
    async with ModelServer([limit]) as server, gateway_by(way, server) as (gateway, client):
        answer = await client.post(way.path, json=way.body)
        assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")
        assert "ends in 2.0 hours" in answer.text
        limited = gateway.ledger.limited
        assert limited is not None
        assert (limited.credential, limited.seconds_left()) == ("here", pytest.approx(7200, abs=60))
        assert gateway.ledger.verdict().reason is Reason.QUOTA_REACHED


async def test_a_spent_budget_is_told_in_the_providers_own_words(way: Way) -> None:
    async with ModelServer([TURN]) as server, gateway_by(way, server, budget_micros=100) as (gateway, client):
        assert (await client.post(way.path, json=way.body)).status_code == 200
        answer = await client.post(way.path, json=way.body)
        assert (answer.status_code, answer.headers["x-should-retry"]) == (402, "false")
        assert shape(answer.json()) == shape(PROVIDERS[way.provider].error(402, "Spent."))
        assert "budget" in answer.text
        assert gateway.ledger.verdict().reason is Reason.BUDGET_SPENT
        assert len(server.requests) == 1


async def test_an_answer_that_breaks_off_is_counted_and_told(way: Way) -> None:
    async with ModelServer([Broken(TURN, 150)]) as server, gateway_by(way, server) as (gateway, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(way.path, json=way.body)
    assert gateway.ledger.usage.input_tokens > 0
    assert gateway.ledger.usage.cost_micros > 0
    assert gateway.ledger.verdict().reason is Reason.PROVIDER_FAILED


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model":' + b"[" * 100_000])
async def test_a_body_that_is_no_request_is_refused(way: Way, body: bytes) -> None:
    async with ModelServer([TURN]) as server, gateway_by(way, server) as (_, client):
        answer = await client.post(way.path, content=body)
        assert answer.status_code == 400
        assert shape(answer.json()) == shape(PROVIDERS[way.provider].error(400, "No."))
        assert server.requests == []


async def test_other_routes_do_not_pass(way: Way) -> None:
    path = way.path.partition("?")[0]
    async with ModelServer([TURN]) as server, gateway_by(way, server) as (_, client):
        for method, target in [("GET", path), ("POST", f"{path}/x"), ("POST", "/v1/files"), ("POST", "/")]:
            assert (await client.request(method, target)).status_code == 404
        assert (
            await client.post(f"{path}?{'x' if '?' in way.path else 'beta'}s=1", json=way.body)
        ).status_code == 400
        assert server.requests == []


def metered(way: Way) -> Metered:
    path, _, query = way.path.partition("?")
    parameters = dict(pair.split("=") for pair in query.split("&") if pair)
    passed = PROVIDERS[way.provider].read("POST", path, parameters, json.dumps(way.body).encode())
    assert passed is not None
    assert passed.metered is not None
    return passed.metered


async def whole_answer(way: Way, turn: Text) -> httpx.Response:
    async with ModelServer([turn]) as server, gateway_by(way, server) as (_, client):
        return await client.post(way.path, json=way.body)


def count(way: Way, answer: httpx.Response, pieces: list[bytes]) -> Tokens:
    meter = metered(way).open_meter(answer.headers["content-type"])
    for piece in pieces:
        meter.feed(piece)
    return meter.tokens()


async def test_where_an_answer_is_cut_changes_no_count(way: Way) -> None:
    answer = await whole_answer(way, TURN)
    content = answer.content
    expected = Tokens(input=600, cache_read=400, output=200)
    assert count(way, answer, [bytes([one]) for one in content]) == expected
    for at in range(1, len(content)):
        assert count(way, answer, [content[:at], content[at:]]) == expected


async def test_an_answer_that_ends_at_any_byte_is_never_counted_as_nothing(way: Way) -> None:
    answer = await whole_answer(way, Text("x" * 300, 1000, 200))
    for end in range(len(answer.content)):
        tokens = count(way, answer, [answer.content[:end]])
        assert tokens.prompt > 0
        assert 0 <= tokens.output <= max(200, len(answer.content) // 3)


def test_the_most_that_a_request_may_cost_is_above_what_it_costs(way: Way) -> None:
    asked = metered(way)
    assert asked.most.output >= 100
    assert asked.most.prompt >= len(json.dumps(way.body)) // 3
