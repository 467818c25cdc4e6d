"""What the gateway passes of OpenAI's and Gemini's requests, and what it refuses."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pullyard.worker.gateway.provider import Passed, Refused
from pullyard.worker.gateway.providers import PROVIDERS
from tests.gateways import WAYS, Way, gateway_by
from tests.model_server import ModelServer, Text

BY_NAME = {way.name: way for way in WAYS}
CHAT, RESPONSES, GEMINI = (BY_NAME[name] for name in ("chat", "responses", "gemini"))
FAR = "https://evil.example/x"
DATA = "data:image/png;base64,AAAA"


def asking(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def saying(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": list(parts)}]}


def telling(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


REFUSED: list[tuple[Way, dict[str, Any]]] = [
    (CHAT, {"tools": [{"type": "web_search"}]}),
    (CHAT, {"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "mcp", "server_url": FAR}]}),
    (CHAT, {"tools": [{"function": {"name": "f"}}]}),
    (CHAT, {"web_search_options": {}}),
    (CHAT, {"plugins": [{"id": "web"}]}),
    (CHAT, {"api_base": FAR}),
    (CHAT, {"fallbacks": ["other"]}),
    (CHAT, {"model": "openai/gpt-4.1:online"}),
    (CHAT, {"model": ""}),
    (CHAT, {"store": True}),
    (CHAT, {"service_tier": "priority"}),
    (CHAT, {"modalities": ["text", "audio"]}),
    (CHAT, {"max_tokens": -1}),
    (CHAT, {"stream": True, "stream_options": []}),
    (CHAT, asking({"type": "image_url", "image_url": {"url": FAR}})),
    (CHAT, asking({"type": "image_url", "image_url": FAR})),
    (CHAT, asking({"type": "text", "text": "a"}, {"type": "file", "file": {"file_id": "file_1"}})),
    (CHAT, asking({"type": "file", "file": {"file_data": FAR}})),
    (CHAT, asking({"type": "video_url", "video_url": {"url": FAR}})),
    (CHAT, asking({"video_url": {"url": FAR}})),
    (RESPONSES, {"tools": [{"type": "web_search_preview"}]}),
    (RESPONSES, {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
    (RESPONSES, {"tools": [{"type": "mcp", "server_label": "x", "server_url": FAR}]}),
    (RESPONSES, {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}),
    (RESPONSES, {"tools": [{"type": "image_generation"}]}),
    (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "container_auto"}}]}),
    (RESPONSES, {"tools": [{"type": "shell"}]}),
    (RESPONSES, {"tools": [{"type": "namespace", "tools": [{"type": "web_search"}]}]}),
    (RESPONSES, {"store": True}),
    (RESPONSES, {"background": True}),
    (RESPONSES, {"previous_response_id": "resp_1"}),
    (RESPONSES, {"conversation": "conv_1"}),
    (RESPONSES, {"prompt": {"id": "pmpt_1"}}),
    (RESPONSES, {"service_tier": "flex"}),
    (RESPONSES, saying({"type": "input_image", "image_url": FAR})),
    (RESPONSES, saying({"type": "input_image", "file_id": "file_1"})),
    (RESPONSES, saying({"type": "input_file", "file_url": FAR})),
    (RESPONSES, saying({"type": "input_video", "video_url": FAR})),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}),
    (RESPONSES, {"input": [{"type": "mcp_approval_response", "approve": True}]}),
    (RESPONSES, {"input": [{"type": "shell_call", "environment": {"type": "container_reference"}}]}),
    (
        RESPONSES,
        {"input": [{"type": "function_call_output", "output": [{"type": "input_image", "image_url": FAR}]}]},
    ),
    (
        RESPONSES,
        {
            "input": [
                {"type": "computer_call_output", "output": {"type": "computer_screenshot", "file_id": "f"}}
            ]
        },
    ),
    (GEMINI, {"tools": [{"googleSearch": {"a": 1}}]}),
    (GEMINI, {"tools": [{"functionDeclarations": [{"name": "f"}]}, {"url_context": {"a": 1}}]}),
    (GEMINI, {"tools": {"codeExecution": {"a": 1}}}),
    (GEMINI, {"tools": [{"code_execution": {}}]}),
    (GEMINI, {"tools": [{"google_search": {}}]}),
    (GEMINI, {"cachedContent": "cachedContents/1"}),
    (GEMINI, {"cached_content": "cachedContents/1"}),
    (GEMINI, {"store": True}),
    (GEMINI, {"service_tier": "PRIORITY"}),
    (GEMINI, {"generationConfig": {"responseModalities": ["IMAGE"]}}),
    (GEMINI, {"generation_config": {"max_output_tokens": -5}}),
    (GEMINI, {"generationConfig": {"max_output_tokens": 65536, "maxOutputTokens": 1}}),
    (GEMINI, {"generationConfig": {"candidateCount": 8, "candidatecount": 1}}),
    (GEMINI, {"generationConfig": {"response_modalities": ["IMAGE"], "responseModalities": ["TEXT"]}}),
    (GEMINI, {"generationConfig": {"routingConfig": {"manualMode": {"modelName": "x"}}}}),
    (GEMINI, telling({"fileData": {"fileUri": FAR}})),
    (GEMINI, telling({"file_data": {"file_uri": FAR}})),
    (GEMINI, telling({"text": "a"}, {"executableCode": {"code": "x"}})),
    (GEMINI, {"systemInstruction": {"parts": [{"fileData": {"fileUri": "gs://b/x"}}]}}),
    (GEMINI, {"system_instruction": {"parts": {"fileData": {"fileUri": "gs://b/x"}}}}),
    (GEMINI, {"contents": {"parts": [{"fileData": {"fileUri": FAR}}]}}),
    (GEMINI, telling({"functionResponse": {"name": "f", "parts": [{"fileData": {"fileUri": FAR}}]}})),
    (GEMINI, {"generationConfig": {}, "generation_config": {"temperature": 1}}),
]


@pytest.mark.attack("requests: work of a model's provider")
@pytest.mark.parametrize(("way", "more"), REFUSED, ids=[f"{way.name} {more}"[:70] for way, more in REFUSED])
async def test_nothing_that_the_provider_would_fetch_run_or_keep_is_passed(
    way: Way, more: dict[str, Any]
) -> None:
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (_, client):
        answer = await client.post(way.path, json={**way.body, **more})
        assert answer.status_code == 400, more
        assert answer.json()["error"]["message"].endswith(".")
        assert server.requests == []


FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PASSED: list[tuple[Way, dict[str, Any]]] = [
    (CHAT, {"tools": [FUNCTION], "tool_choice": "auto", "temperature": 0, "store": False, "n": 1}),
    (CHAT, asking({"type": "text", "text": FAR}, {"type": "image_url", "image_url": {"url": DATA}})),
    (CHAT, asking({"type": "file", "file": {"filename": "a", "file_data": DATA}})),
    (CHAT, {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]}),
    (CHAT, {"tools": None, "plugins": [], "service_tier": "auto", "anything": None}),
    (RESPONSES, {"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "apply_patch"}]}),
    (RESPONSES, {"tools": [{"type": "shell", "environment": {"type": "local"}}, {"type": "local_shell"}]}),
    (RESPONSES, {"tools": [{"type": "namespace", "tools": [{"type": "function", "name": "f"}]}]}),
    (RESPONSES, {"include": ["reasoning.encrypted_content"], "previous_response_id": None}),
    (RESPONSES, saying({"type": "input_text", "text": FAR}, {"type": "input_image", "image_url": DATA})),
    (RESPONSES, {"input": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}),
    (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": FAR}]}),
    (GEMINI, {"tools": [{"functionDeclarations": [{"name": "f"}]}], "toolConfig": {"a": {}}}),
    (GEMINI, {"generationConfig": {"maxOutputTokens": 9, "responseModalities": ["TEXT"]}}),
    (GEMINI, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 9}, "temperature": 0, "topP": 1}}),
    (GEMINI, telling({"text": FAR}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}})),
    (GEMINI, telling({"functionResponse": {"name": "f", "response": {"fileData": {"fileUri": FAR}}}})),
    (GEMINI, {"systemInstruction": {"parts": [{"text": "a"}]}, "safetySettings": [{"a": "b"}]}),
]


@pytest.mark.parametrize(("way", "more"), PASSED, ids=[f"{way.name} {more}"[:70] for way, more in PASSED])
async def test_what_agents_ask_passes_as_it_is(way: Way, more: dict[str, Any]) -> None:
    sent = {**way.body, **more}
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (_, client):
        assert (await client.post(way.path, json=sent)).status_code == 200
        assert server.requests[0].json == sent


async def test_a_response_is_never_kept_by_the_provider() -> None:
    async with ModelServer([Text("hi")]) as server, gateway_by(RESPONSES, server) as (_, client):
        sent = {"model": "gpt-4.1", "input": "hi", "temperature": 0.1}
        assert (await client.post(RESPONSES.path, json=sent)).status_code == 200
        assert server.requests[0].json == {**sent, "store": False}


@pytest.mark.parametrize(
    ("way", "method", "path", "body"),
    [
        (CHAT, "GET", "/v1/models", None),
        (CHAT, "GET", "/v1/models/openai/gpt-4.1", None),
        (GEMINI, "GET", "/v1beta/models?pageSize=5&key=dummy", None),
        (
            GEMINI,
            "POST",
            "/v1beta/models/gemini-2.5-pro:countTokens",
            {"contents": [{"parts": [{"text": "a"}]}]},
        ),
        (
            GEMINI,
            "POST",
            "/v1beta/models/gemini-2.5-pro:countTokens",
            {"generateContentRequest": {"model": "models/gemini-2.5-pro", "contents": []}},
        ),
    ],
)
async def test_what_agents_ask_at_their_start_passes_and_costs_nothing(
    way: Way, method: str, path: str, body: dict[str, Any] | None
) -> None:
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (gateway, client):
        answer = await client.request(method, path, json=body)
        assert answer.status_code == 200
        assert gateway.ledger.requests == 0
        assert "dummy" not in server.requests[0].target


async def test_a_free_count_reaches_for_nothing_either() -> None:
    inner = {"generateContentRequest": telling({"fileData": {"fileUri": FAR}})}
    async with ModelServer([Text("hi")]) as server, gateway_by(GEMINI, server) as (_, client):
        for body in (inner, telling({"fileData": {"fileUri": FAR}})):
            answer = await client.post("/v1beta/models/gemini-2.5-pro:countTokens", json=body)
            assert answer.status_code == 400
        assert server.requests == []


async def test_a_project_of_vertex_is_the_endpoints_and_never_the_clients() -> None:
    way = BY_NAME["vertex"]
    path = way.path.replace("projects/p/locations/l", "projects/other/locations/us-central1")
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (_, client):
        assert (await client.post(path.replace("@", "%40"), json=way.body)).status_code == 200
        assert server.requests[0].target == way.sent_path


async def test_what_is_passed_on_of_a_request_of_gemini_is_what_was_read() -> None:
    asked = {"contents": [{"parts": [{"text": "a"}]}], "system_instruction": {"parts": {"text": "b"}}}
    async with ModelServer([Text("hi")]) as server, gateway_by(GEMINI, server) as (_, client):
        assert (await client.post(GEMINI.path, json=asked)).status_code == 200
        sent = server.requests[0].json
    assert sent == {"contents": asked["contents"], "systemInstruction": asked["system_instruction"]}


@pytest.mark.parametrize("way", [CHAT, RESPONSES, GEMINI, BY_NAME["anthropic"]], ids=lambda way: way.name)
async def test_a_request_of_too_many_parts_is_refused_before_it_is_read(way: Way) -> None:
    bodies = [b'{"x": [' + b"0," * 600_000 + b"0]}", b'{"x": [' + b"{}," * 250_000 + b"0]}"]
    bodies += [b'{"contents": [' + b"{}," * 60_000 + b"{}]}"] if way is GEMINI else []
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (_, client):
        for body in bodies:
            answer = await client.post(way.path, content=body)
            assert answer.json()["error"]["message"] == "The request has more parts than the gateway reads."


@pytest.mark.parametrize("way", BY_NAME.values(), ids=lambda way: way.name)
@pytest.mark.parametrize("field", ['{"a": 1, "b": {"x": 1, "y": [], "x": 2}}', '{"\\u0061": 1, "a": 2}'])
async def test_two_fields_of_one_name_do_not_pass(way: Way, field: str) -> None:
    """A server may take the other one than the gateway does."""
    body = msgspec.json.encode({**way.body, "metadata": msgspec.Raw(field.encode())})
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (_, client):
        answer = await client.post(way.path, content=body)
        assert answer.status_code == 400
        assert "two fields of one name" in answer.text
        assert server.requests == []


@pytest.mark.parametrize("way", [CHAT, RESPONSES, BY_NAME["anthropic"]], ids=lambda way: way.name)
async def test_what_is_no_text_is_refused_also_where_nobody_looks(way: Way) -> None:
    body = json.dumps({**way.body, "metadata": {"x": "?"}}).encode().replace(b"?", b"\xff")
    async with ModelServer([Text("hi")]) as server, gateway_by(way, server) as (_, client):
        answer = await client.post(way.path, content=body)
        assert answer.json()["error"]["message"] == "The body is not text in UTF-8."
        assert server.requests == []


async def test_an_object_of_too_many_fields_is_refused() -> None:
    fields = dict.fromkeys([f"a{number}" for number in range(2000)])
    async with ModelServer([Text("hi")]) as server, gateway_by(CHAT, server) as (_, client):
        answer = await client.post(CHAT.path, json={**CHAT.body, **fields})
        assert answer.json()["error"]["message"] == "An object of a request has at most 1000 fields."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELD_NAMES = sorted(
    {name for _, more in [*REFUSED, *PASSED] for name in more}
    | {"type", "parts", "content", "tools", "model"}
)


def read(way: Way, body: bytes) -> Passed | None:
    path, _, query = way.path.partition("?")
    parameters = dict(pair.split("=") for pair in query.split("&") if pair)
    return PROVIDERS[way.provider].read("POST", path, parameters, body)


def holds_nothing(value: Any) -> bool:
    if isinstance(value, dict | list):
        return all(holds_nothing(one) for one in (value.values() if isinstance(value, dict) else value))
    return not value


@given(st.sampled_from(WAYS), st.dictionaries(st.sampled_from(FIELD_NAMES), JSON, max_size=6))
@example(BY_NAME["gemini"], {"generation_config": {"": None}})
def test_any_request_passes_as_it_is_or_is_refused(way: Way, more: dict[str, Any]) -> None:
    body = {**way.body, **more}
    try:
        passed = read(way, json.dumps(body).encode())
    except Refused:
        return
    assert passed is not None
    kept = json.loads(passed.body)
    for name, value in body.items():
        if name in kept and name != "stream_options":
            # What is empty within may be left out of it.
            assert kept[name] == value or way.provider == "gemini"
        elif name not in kept:
            assert holds_nothing(value)
    assert passed.metered is None or passed.metered.most.prompt > 0


@given(st.sampled_from(WAYS), st.binary(max_size=300))
def test_any_bytes_pass_as_a_request_or_are_refused(way: Way, body: bytes) -> None:
    passed = None
    with suppress(Refused):
        passed = read(way, body)
    assert passed is None or isinstance(json.loads(body), dict)


@given(st.sampled_from(REFUSED), st.dictionaries(st.text(max_size=8), st.none(), max_size=4))
def test_what_is_refused_is_refused_beside_anything(
    refused: tuple[Way, dict[str, Any]], beside: dict[str, None]
) -> None:
    way, more = refused
    with pytest.raises(Refused):
        read(way, json.dumps({**beside, **way.body, **more}).encode())
