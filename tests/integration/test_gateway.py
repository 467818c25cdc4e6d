"""The gateway between an agent and a model provider: what passes, what it adds, what it counts."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from pullyard.lifecycle.reasons import Reason
from pullyard.protocol.errors import RequestError
from pullyard.worker.gateway.exchange import LIMITED_TRIES
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.serve import MOST_CONNECTIONS, Gateway
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream
from tests.model_server import Failure, ModelServer, Raw, Text, ToolUse, stream_events
from tests.tcp import answer_to, nobody

KEY = "sk-ant-canary-0123456789"
MODEL = "claude-sonnet-4-5-script"
"""3 dollars per million tokens in, 15 out."""


def listen() -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    return listener.detach()


@asynccontextmanager
async def gateway_to(
    server: ModelServer | str, *, key: str | None = KEY, budget_micros: int | None = None
) -> AsyncIterator[tuple[Gateway, httpx.AsyncClient]]:
    address = server if isinstance(server, str) else server.base_url
    upstream = open_upstream({"anthropic": ProviderSettings(SecretStr(key) if key else None, address)})
    async with (
        upstream.client,
        Gateway(listen(), "anthropic", upstream, Ledger(budget_micros)) as gateway,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=20) as client,
    ):
        yield gateway, client


def question(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **more}


async def test_passes_an_answer_and_counts_its_tokens() -> None:
    async with ModelServer([Text("hello", 1000, 200)]) as server, gateway_to(server) as (gateway, client):
        answer = await client.post("/v1/messages", json=question())
        assert answer.json()["content"][0]["text"] == "hello"
        assert answer.headers["request-id"] == "req_test"
        usage = gateway.ledger.usage
        assert (usage.input_tokens, usage.output_tokens, usage.cost_micros) == (1000, 200, 6000)


async def test_streams_the_events_byte_for_byte_and_counts_them() -> None:
    turn = ToolUse("Edit", {"old_string": "ä"}, 500, 40)
    async with ModelServer([turn]) as server, gateway_to(server) as (gateway, client):
        async with httpx.AsyncClient(base_url=server.base_url) as straight:
            expected = (await straight.post("/v1/messages", json=question(stream=True))).content
        passed = (await client.post("/v1/messages?beta=true", json=question(stream=True))).content
        assert passed == expected.replace(b"_0001", b"_0002")
        assert gateway.ledger.usage.cost_micros == 500 * 3 + 40 * 15


async def test_the_first_event_passes_before_the_answer_ends() -> None:
    first = b'event: message_start\ndata: {"type":"message_start"}\n\n'
    async with (
        ModelServer([Raw(first, hang=True)]) as server,
        gateway_to(server) as (_, client),
        client.stream("POST", "/v1/messages", json=question(stream=True)) as answer,
    ):
        assert await anext(answer.aiter_raw()) == first


async def test_adds_the_key_and_forwards_no_other_secret() -> None:
    headers = {"authorization": "Bearer mine", "x-api-key": "dummy", "cookie": "a=b", "anthropic-beta": "x"}
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (_, client):
        await client.post("/v1/messages", json=question(), headers={**headers, "x-forwarded-for": "1.2.3.4"})
        seen = server.requests[0].headers
        assert seen["x-api-key"] == KEY
        assert seen["anthropic-beta"] == "x"
        assert seen["host"] == f"127.0.0.1:{server.port}"
        assert not {"authorization", "cookie", "x-forwarded-for"} & seen.keys()


async def test_the_key_is_in_no_answer_and_no_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ModelServer([Failure(500)]) as server, gateway_to(server) as (gateway, client):
        answer = await client.post("/v1/messages", json=question())
        texts = [answer.text, str(answer.headers), repr(gateway), repr(gateway.upstream), caplog.text]
    printed = capsys.readouterr()
    assert server.requests[0].headers["x-api-key"] == KEY
    assert all(KEY not in text for text in [*texts, printed.out, printed.err])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/"),
        ("GET", "/v1/messages"),
        ("POST", "/v1/messages/"),
        ("POST", "/v1/messages/batches"),
        ("POST", "/v1/complete"),
        ("POST", "/v1/files"),
        ("GET", "/v1/organizations/me"),
        ("DELETE", "/v1/models"),
    ],
)
async def test_other_routes_are_not_passed(method: str, path: str) -> None:
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (_, client):
        assert (await client.request(method, path)).status_code == 404
        assert (await client.get("/v1/models")).status_code == 200
        assert [request.target for request in server.requests] == ["/v1/models"]


@pytest.mark.parametrize(
    "more",
    [
        {"mcp_servers": [{"type": "url", "url": "https://evil.example"}]},
        {"tools": [{"type": "web_fetch_20250910", "name": "web_fetch"}]},
        {"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]},
        {"system": [{"type": "document", "source": {"type": "url", "url": "https://evil.example"}}]},
        {"container": "container_1"},
        {"speed": "fast"},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "content": [{"type": "image", "source": {"type": "file"}}]}
                    ],
                }
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "x", "content": {"type": "y"}}]}]},
        {"max_tokens": -1},
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_nothing_that_the_provider_would_fetch_or_run_is_passed(
    path: str, more: dict[str, Any]
) -> None:
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (_, client):
        answer = await client.post(path, json=question(**more))
        assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
        assert server.requests == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model":' + b"[" * 100_000])
async def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (_, client):
        assert (await client.post("/v1/messages", content=body)).status_code == 400
        assert server.requests == []


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/models HTTP/1.1\r\nhost: evil.example\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\0.evil.example\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\r\nhost: HOST\r\n",
        b"GET /v1/models HTTP/1.1\r\n",
        b"GET http://evil.example/v1/models HTTP/1.1\r\nhost: HOST\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: HOST\r\n",
        b"GET /v1/../v1/models HTTP/1.1\r\nhost: HOST\r\n",
        b"GET /v1/%6dodels HTTP/1.1\r\nhost: HOST\r\n",
        b"GET //v1/models HTTP/1.1\r\nhost: HOST\r\n",
        b"GET /v1/models?a=@evil HTTP/1.1\r\nhost: HOST\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\r\nanthropic-beta: a\r\nanthropic-beta: b\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\r\nanthropic-beta: \xff\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\r\nx : y\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\r\ncontent-length: 1\r\ncontent-length: 2\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: HOST\r\nlong: " + b"x" * 200_000 + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n",
    ],
)
async def test_requests_outside_the_grammar_are_refused(head: bytes) -> None:
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (gateway, _):
        host = f"127.0.0.1:{gateway.port}".encode()
        answer = await answer_to(head.replace(b"HOST", host) + b"\r\n", gateway.port, ends=True)
        status = answer.split()[1]
        assert status in (b"400", b"404", b"431")
        assert server.requests == []


async def test_a_body_above_the_limit_is_refused() -> None:
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (_, client):
        answer = await client.post("/v1/messages", content=b"x" * ((32 << 20) + 1))
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")
        assert (await client.post("/v1/messages", json=question())).status_code == 200
        assert len(server.requests) == 1


async def test_connections_beyond_the_bound_wait_until_one_ends() -> None:
    request = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n"
    async with ModelServer([Text("hi")]) as server, gateway_to(server) as (gateway, _):
        streams = [
            await asyncio.open_connection("127.0.0.1", gateway.port) for _ in range(MOST_CONNECTIONS + 9)
        ]
        for _, writer in streams:
            writer.write(request % gateway.port)
        for reader, _ in streams[:MOST_CONNECTIONS]:
            assert await reader.readline()
        served = [task for task in asyncio.all_tasks() if "Gateway._talk" in repr(task)]
        assert len(served) == MOST_CONNECTIONS
        for _, writer in streams[:9]:
            writer.close()
        for reader, _ in streams[MOST_CONNECTIONS:]:
            assert await reader.readline()
        for _, writer in streams:
            writer.close()


async def test_stops_at_the_budget() -> None:
    async with (
        ModelServer([Text("hello", 1000, 200)]) as server,
        gateway_to(server, budget_micros=10_000) as (gateway, client),
    ):
        statuses = [(await client.post("/v1/messages", json=question())).status_code for _ in range(4)]
        assert statuses == [200, 200, 402, 402]
        assert (gateway.ledger.usage.cost_micros, gateway.ledger.refused) == (12_000, 2)
        answer = await client.post("/v1/messages", json=question())
        assert answer.json()["error"]["type"] == "billing_error"
        assert gateway.ledger.verdict().reason is Reason.BUDGET_SPENT
        assert "$0.01" in answer.json()["error"]["message"]
        assert (await client.post("/v1/messages/count_tokens", json=question())).status_code == 200
        assert len(server.model_requests()) == 2


async def test_requests_at_the_same_time_pass_the_budget_by_one_at_most() -> None:
    server = ModelServer([Text("hello", 1000, 200)], release=asyncio.Event())
    async with server, gateway_to(server, budget_micros=1000) as (gateway, client):
        asked = [asyncio.create_task(client.post("/v1/messages", json=question())) for _ in range(8)]
        async with asyncio.timeout(60):
            await server.received.wait()
        assert server.release is not None
        server.release.set()
        statuses = sorted([(await task).status_code for task in asked])
        assert statuses == [200] + [402] * 7
        assert gateway.ledger.usage.cost_micros == 6000


async def test_a_stream_that_the_client_leaves_is_counted_from_its_bytes() -> None:
    message = {"id": "m", "model": MODEL, "content": [{"type": "text", "text": "x" * 3000}]}
    message |= {"stop_reason": "end_turn", "usage": {"input_tokens": 50, "output_tokens": 900}}
    begun = b"".join(stream_events(message)[:4])
    async with (
        ModelServer([Raw(begun, hang=True)]) as server,
        gateway_to(server) as (gateway, client),
        client.stream("POST", "/v1/messages", json=question(stream=True)) as answer,
    ):
        await anext(answer.aiter_raw())
    assert gateway.ledger.usage.input_tokens == 50
    assert gateway.ledger.usage.output_tokens == 1000


async def test_an_answer_without_counts_is_not_free() -> None:
    silent = Raw(b'{"content": []}', "application/json")
    async with ModelServer([silent]) as server, gateway_to(server) as (gateway, client):
        await client.post("/v1/messages", json=question())
        assert gateway.ledger.usage.input_tokens > 0
        assert gateway.ledger.usage.cost_micros > 0


async def test_the_providers_errors_pass_and_cost_nothing() -> None:
    failure = Failure(429, "rate_limit_error", "Slow down.", [("retry-after", "0"), ("set-cookie", "a=b")])
    async with ModelServer([failure, Text("hi")]) as server, gateway_to(server) as (gateway, client):
        answer = await client.post("/v1/messages", json=question())
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "0")
        assert answer.json()["error"]["message"] == "Slow down."
        assert "set-cookie" not in answer.headers
        assert gateway.ledger.usage.cost_micros == 0
        assert gateway.ledger.failure is not None
        assert gateway.ledger.failure.status == 429
        limited = gateway.ledger.failure.limited
        assert limited is not None
        assert (limited.credential, limited.status) == ("anthropic", 429)
        assert (await client.post("/v1/messages", json=question())).status_code == 200
        assert gateway.ledger.failure is None


async def test_a_limit_again_and_again_is_passed_in_the_end() -> None:
    limit = Failure(429, "rate_limit_error", "Slow down.", [("retry-after-ms", "1")])
    async with ModelServer([limit] * 9) as server, gateway_to(server) as (gateway, client):
        answer = await client.post("/v1/messages", json=question())
        assert (answer.status_code, answer.json()["error"]["message"]) == (429, "Slow down.")
        assert len(server.requests) == LIMITED_TRIES
        assert gateway.ledger.usage.cost_micros == 0


async def test_a_refused_key_is_not_tried_again() -> None:
    refused = Failure(401, "authentication_error", "invalid x-api-key", [("x-should-retry", "true")])
    async with ModelServer([refused]) as server, gateway_to(server) as (gateway, client):
        answer = await client.post("/v1/messages", json=question())
        assert (answer.status_code, answer.headers.get_list("x-should-retry")) == (401, ["false"])
        assert gateway.ledger.verdict().reason is Reason.PROVIDER_FAILED


async def test_a_provider_that_is_away_is_a_clear_error() -> None:
    with nobody() as away:
        async with gateway_to(away) as (gateway, client):
            answer = await client.post("/v1/messages", json=question())
            assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
            assert gateway.ledger.failure is not None


async def test_without_a_key_every_request_says_what_to_set() -> None:
    async with ModelServer([Text("hi")]) as server, gateway_to(server, key=" ") as (gateway, client):
        answer = await client.post("/v1/messages", json=question())
        assert answer.status_code == 401
        assert "ANTHROPIC_API_KEY" in answer.json()["error"]["message"]
        assert gateway.upstream is not None
        assert gateway.provider is not None
        assert gateway.upstream.missing(gateway.provider) == answer.json()["error"]["message"]
        assert server.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "http://api.anthropic.com",
        "https://me:secret@host",
        "https://host/?a",
        "ftp://127.0.0.1",
        "https://",
        "x",
    ],
)
def test_the_key_goes_to_no_unsafe_address(address: str) -> None:
    with pytest.raises(RequestError, match="https://"):
        open_upstream({"anthropic": ProviderSettings(None, address)})


@pytest.mark.attack("requests: redirects")
async def test_a_redirect_is_not_followed() -> None:
    elsewhere = Failure(302, headers=[("location", "http://127.0.0.1:1/")])
    async with ModelServer([elsewhere]) as server, gateway_to(server) as (_, client):
        answer = await client.post("/v1/messages", json=question())
        assert answer.status_code == 302
        assert "location" not in answer.headers
