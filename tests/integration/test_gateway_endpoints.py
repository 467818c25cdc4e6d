"""Named endpoints: addresses, keys and prices of theirs, and streams that tell their tokens unasked."""

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.protocol.errors import RequestError
from pullyard.worker.gateway import keys
from pullyard.worker.gateway.keys import KeySource
from pullyard.worker.gateway.openai_chat import UsageTrim
from pullyard.worker.gateway.prices import load_prices
from pullyard.worker.gateway.upstream import ProviderSettings, open_upstream
from pullyard.worker.masking import Masker
from pullyard.worker.models import model_settings
from pullyard.worker.settings import load_settings
from tests.gateways import WAYS, gateway_by
from tests.model_server import Failure, ModelServer, Raw, Text

CHAT = next(way for way in WAYS if way.name == "chat")
STREAM = {**CHAT.body, "stream": True}
TURN = Text("Good morning.", input_tokens=1000, output_tokens=200)


async def test_a_stream_is_asked_for_its_tokens_and_shows_the_client_what_it_asked_for() -> None:
    async with ModelServer([TURN]) as straight, httpx.AsyncClient(base_url=straight.base_url) as client:
        expected = (await client.post(CHAT.path, json=STREAM)).content
    async with ModelServer([TURN]) as server, gateway_by(CHAT, server) as (gateway, client):
        answer = await client.post(CHAT.path, json=STREAM)
        assert server.requests[0].json == {**STREAM, "stream_options": {"include_usage": True}}
        # The provider adds an empty field to the other events, which stays.
        assert answer.content.replace(b', "usage": null', b"") == expected
        used = gateway.ledger.usage
        assert (used.input_tokens, used.output_tokens) == (1000, 200)


async def test_other_wishes_for_a_stream_are_kept() -> None:
    asked = {**STREAM, "stream_options": {"include_obfuscation": False}}
    async with ModelServer([TURN]) as server, gateway_by(CHAT, server) as (_, client):
        await client.post(CHAT.path, json=asked)
        assert server.requests[0].json["stream_options"] == {
            "include_obfuscation": False,
            "include_usage": True,
        }


async def test_a_client_that_asks_for_tokens_gets_them() -> None:
    asked = {**STREAM, "stream_options": {"include_usage": True}}
    async with ModelServer([TURN]) as server, gateway_by(CHAT, server) as (_, client):
        answer = await client.post(CHAT.path, json=asked)
        assert server.requests[0].json == asked
        assert b'"choices": [], "usage": {"prompt_tokens": 1000' in answer.content


UNKNOWN = Failure(422, message="Unknown parameter: 'stream_options'.")
ASKING = {**STREAM, "stream_options": {"include_usage": True, "include_obfuscation": False}}


@pytest.mark.parametrize(("asked", "kept"), [(STREAM, None), (ASKING, {"include_obfuscation": False})])
@pytest.mark.parametrize("refusal", [UNKNOWN, replace(UNKNOWN, status=400)])
async def test_a_server_that_does_not_know_the_wish_for_tokens_is_asked_once(
    asked: dict[str, Any], kept: Any, refusal: Failure
) -> None:
    async with ModelServer([refusal, TURN]) as server, gateway_by(CHAT, server) as (gateway, client):
        answers = [await client.post(CHAT.path, json=asked) for _ in range(2)]
        assert all(b"Good" in answer.content for answer in answers)
        wishes = [request.json.get("stream_options") for request in server.requests]
        assert wishes == [{**(kept or {}), "include_usage": True}, kept, kept]
        assert gateway.ledger.usage.output_tokens > 0, "an estimate"
        assert gateway.ledger.failure is None


@pytest.mark.parametrize(
    "refusal", [Failure(400, message="The prompt is too long."), replace(UNKNOWN, status=404)]
)
async def test_another_refusal_is_the_clients(refusal: Failure) -> None:
    async with ModelServer([refusal, TURN]) as server, gateway_by(CHAT, server) as (_, client):
        answer = await client.post(CHAT.path, json=STREAM)
        assert (answer.status_code, len(server.requests)) == (refusal.status, 1)
        assert refusal.message in answer.text


async def test_a_server_that_refuses_it_either_way_is_asked_for_tokens_again() -> None:
    async with ModelServer([UNKNOWN, UNKNOWN, TURN]) as server, gateway_by(CHAT, server) as (_, client):
        assert [(await client.post(CHAT.path, json=STREAM)).status_code for _ in range(2)] == [422, 200]
        assert ["stream_options" in request.json for request in server.requests] == [True, False, True]


async def test_what_one_models_server_refuses_is_held_against_no_other() -> None:
    async with ModelServer([UNKNOWN, TURN]) as server, gateway_by(CHAT, server) as (_, client):
        for model in ("gpt-4.1-script", "gpt-4.1-mini"):
            await client.post(CHAT.path, json={**STREAM, "model": model})
        assert ["stream_options" in request.json for request in server.requests] == [True, False, True]


async def test_a_server_that_then_answers_with_no_stream_is_asked_again() -> None:
    whole = Raw(b"{}", "application/json")
    async with ModelServer([UNKNOWN, whole, TURN]) as server, gateway_by(CHAT, server) as (_, client):
        assert [(await client.post(CHAT.path, json=STREAM)).status_code for _ in range(2)] == [200, 200]
        assert ["stream_options" in request.json for request in server.requests] == [True, False, True]


@pytest.mark.parametrize("stream", [0, 1, "true", {}])
async def test_whether_it_asks_for_a_stream_can_be_read_in_one_way(stream: Any) -> None:
    async with ModelServer([TURN]) as server, gateway_by(CHAT, server) as (_, client):
        answer = await client.post(CHAT.path, json={**STREAM, "stream": stream})
        assert (answer.status_code, server.requests) == (400, [])


PIECES = [
    {"content": "abc" * 10},
    {"function_call": {"arguments": "abc"}},
    {"tool_calls": [{"function": {"arguments": "abc"}}]},
    {"of_a_newer_server": "abc"},
]


async def test_a_stream_that_tells_no_tokens_is_estimated_by_its_words() -> None:
    events = [f"data: {json.dumps({'choices': [{'delta': piece}]})}\n\n" for piece in PIECES]
    stream = Raw("".join(events).encode() + DONE, "text/event-stream")
    async with ModelServer([stream]) as server, gateway_by(CHAT, server) as (gateway, client):
        await client.post(CHAT.path, json=STREAM)
        assert gateway.ledger.usage.output_tokens == 10 + 1 + 1 + 1


def trimmed(stream: bytes, *cuts: int) -> bytes:
    trim, passed, begin = UsageTrim(), b"", 0
    for end in [*sorted(cuts), len(stream)]:
        passed += trim.feed(stream[begin:end])
        begin = end
    return passed + trim.end()


PIECE = b'data: {"choices": [{"delta": {"content": "a"}}], "usage": null}\n\n'
LONG = b'data: {"choices": [], "usage": {"x": "' + b"y" * 70_000 + b'"}}\n\n'
LAST = b'data: {"choices": [{"delta": {}}], "usage": {"prompt_tokens": 1}}\n\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'
DONE = b"data: [DONE]\n\n"


@given(st.lists(st.integers(0, len(PIECE + USAGE + LAST + DONE)), max_size=6))
def test_where_a_stream_is_cut_changes_nothing_of_what_is_left_of_it(cuts: list[int]) -> None:
    assert trimmed(PIECE + USAGE + LAST + DONE, *cuts) == PIECE + LAST + DONE
    stream = (PIECE + USAGE + LAST).replace(b"\n", b"\r\n")
    assert trimmed(stream, *cuts) == (PIECE + LAST).replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "rest", [LONG, PIECE[:-2], USAGE[:20], b": ping\n\n", b"\n\n\n", b"event: x\n" + LAST]
)
def test_what_is_not_that_event_passes(rest: bytes) -> None:
    assert trimmed(PIECE + rest + PIECE) == PIECE + rest + PIECE


def test_the_end_of_a_long_event_is_not_taken_for_that_one() -> None:
    stream = b": " + b"x" * 70_000 + b"\n" + USAGE + PIECE
    assert trimmed(stream, 69_000) == stream


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_any_bytes_without_that_event_pass(stream: bytes, cuts: list[int]) -> None:
    assert trimmed(stream, *[min(cut, len(stream)) for cut in cuts]) == stream


def test_no_more_is_held_than_an_event() -> None:
    trim = UsageTrim()
    assert len(b"".join(trim.feed(b"x" * 10_000) for _ in range(100))) > 900_000


async def test_a_server_that_asks_for_no_key_gets_none() -> None:
    async with ModelServer([TURN]) as server:
        async with gateway_by(CHAT, server, key=None, keyless=True) as (_, client):
            answer = await client.post(CHAT.path, json=CHAT.body, headers={"authorization": "Bearer mine"})
        assert answer.status_code == 200
        assert "authorization" not in server.requests[0].headers


async def keys_sent(source: KeySource, *between: Any, script: Any = (TURN,)) -> list[str]:
    """In three requests; ``between`` is called before the second one."""
    async with ModelServer(script) as server, gateway_by(CHAT, server, source=source) as (_, client):
        for number in range(3):
            for act in between if number == 1 else ():
                act()
            await client.post(CHAT.path, json=CHAT.body)
        return [request.headers.get("authorization", "") for request in server.requests]


async def test_a_key_in_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file, newer = tmp_path / "key", tmp_path / "newer"
    file.write_text("one\n")
    newer.write_text("two\nand no more")
    sent = await keys_sent(KeySource(file=file), lambda: newer.rename(file))
    assert sent == ["Bearer one", "Bearer two", "Bearer two"]


def counting(directory: Path) -> KeySource:
    """It prints another key each time, not in one piece."""
    number = f"$(wc -l < {directory}/runs)"
    script = f'echo x >> {directory}/runs; printf "key-{number}"; sleep 0.02; echo -of-a-command'
    return KeySource(command=["sh", "-c", script])


async def test_a_key_that_a_command_prints_is_used_until_it_is_old(tmp_path: Path) -> None:
    assert await keys_sent(counting(tmp_path)) == ["Bearer key-1-of-a-command"] * 3
    assert await keys_sent(replace(counting(tmp_path), fresh_seconds=0.0)) == [
        f"Bearer key-{number}-of-a-command" for number in (2, 3, 4)
    ]


async def test_a_key_that_a_command_printed_is_kept_out_of_logs(tmp_path: Path) -> None:
    chosen = ProviderSettings(base_url="https://models.example", api="openai", source=counting(tmp_path))
    upstream = open_upstream({"here": chosen})
    async with upstream.client:
        key = await upstream.key(upstream.provider("here"))
        assert key == "key-1-of-a-command"
        masker = Masker(upstream.secrets)
        assert masker.text(f"It is {key}.") == "It is ******************."


async def test_a_key_that_was_refused_is_printed_anew(tmp_path: Path) -> None:
    sent = await keys_sent(counting(tmp_path), script=(Failure(401), TURN))
    assert sent == [f"Bearer key-{number}-of-a-command" for number in (1, 2, 2)]


@pytest.mark.parametrize(
    "source",
    [
        KeySource(command=["sh", "-c", "echo sk-secret; echo sk-secret >&2; exit 3"]),
        KeySource(command=["/nowhere/there-is-none"]),
        KeySource(command=["printf", "two words"]),
        KeySource(command=["printf", "a\\001b"]),
        KeySource(command=["true"]),
        KeySource(file=Path("/nowhere/key")),
    ],
)
async def test_a_key_that_can_t_be_had_is_told_without_a_word_of_it(
    source: KeySource, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ModelServer([TURN]) as server, gateway_by(CHAT, server, source=source) as (gateway, client):
        answer = await client.post(CHAT.path, json=CHAT.body)
        assert answer.status_code == 401
        assert "see the worker's log" in answer.json()["error"]["message"]
        assert gateway.ledger.failure is not None
        assert server.requests == []
    printed = "".join(capsys.readouterr())
    assert "gateway.no_key" in printed
    assert not any(secret in printed for secret in ("sk-secret", "two words"))


async def test_a_command_that_prints_for_ever_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "COMMAND_SECONDS", 0.2)
    assert await KeySource(command=["yes", "sk-secret"]).key() is None


async def test_a_command_that_is_given_up_leaves_no_process(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    # Whatever runs in the command has the other end of this open.
    source = KeySource(command=["sh", "-c", f"exec 3>{held}; sleep 60 & echo begun >&3; wait"])
    asking = asyncio.create_task(source.key())
    with await asyncio.to_thread(held.open, "rb", 0) as end:
        assert await asyncio.to_thread(end.readline) == b"begun\n"
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.wait_for(asyncio.to_thread(end.read), 30) == b""


@pytest.mark.parametrize("script", ["echo sk-one > /dev/stdout", "echo sk-one | tee /dev/stdout"])
async def test_a_command_may_open_what_it_prints_to(script: str) -> None:
    assert await KeySource(command=["sh", "-c", script]).key() == "sk-one"


async def test_a_key_is_not_waited_for_longer_than_its_command_runs(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    source = KeySource(command=["sh", "-c", f"cat {held} & echo sk-one"])
    assert await source.key() == "sk-one"
    await asyncio.to_thread(held.write_bytes, b"")


async def test_a_command_has_nothing_of_the_workers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLYARD_WORKER_OPENAI_API_KEY", "sk-other")
    source = KeySource(command=["sh", "-c", 'echo "key-${PULLYARD_WORKER_OPENAI_API_KEY}-"'])
    assert await source.key() == "key--"


PRICES = {
    "here": {"as_of": "2026-11-01", "models": [{"prefix": "*", "input": 0, "output": "0"}]},
    "openai": {"as_of": "2026-11-01", "models": [{"prefix": "gpt-4.1", "input": 1, "output": 1.5}]},
}


@pytest.mark.parametrize(("names", "cost"), [(["here"], 0), (["openai"], 1300), ([], 3600)])
async def test_the_owners_prices_come_first(tmp_path: Path, names: list[str], cost: int) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({name: PRICES[name] for name in names}))
    async with ModelServer([TURN]) as server:
        async with gateway_by(CHAT, server, prices=load_prices(file)) as (gateway, client):
            await client.post(CHAT.path, json=CHAT.body)
        assert (gateway.ledger.usage.input_tokens, gateway.ledger.usage.cost_micros) == (1000, cost)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"here": {"models": []}}',
        '{"here": {"as_of": "2026", "models": [{"prefix": "*", "input": -1, "output": 1}]}}',
        '{"here": {"as_of": "2026", "models": [{"prefix": "*", "input": "NaN", "output": 1}]}}',
        '{"here": {"as_of": "2026", "models": [{"prefix": "*", "input": "1e99999", "output": 1}]}}',
    ],
)
def test_prices_that_can_t_be_used_stop_the_worker_at_its_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(RequestError, match=r"prices\.json can't be used"):
        load_prices(file)


CONFIGURATION = """
openai_api_key = "sk-one"
[model_endpoints.ollama]
base_url = "http://127.0.0.1:11434/v1"
[model_endpoints.cluster]
base_url = "http://10.0.0.5:8000/v1"
plain_http = true
key = "sk-two"
[model_endpoints.vertex-eu]
api = "vertex"
base_url = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
key_command = ["gcloud", "auth", "print-access-token"]
[model_endpoints.bedrock-eu]
api = "bedrock"
base_url = "https://bedrock-runtime.eu-west-1.amazonaws.com"
"""


async def test_a_configuration_names_its_endpoints(tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text(CONFIGURATION)
    upstream = open_upstream(model_settings(load_settings(file, data_directory=tmp_path)))
    async with upstream.client:
        missing = {name: upstream.missing(upstream.provider(name)) for name in upstream.settings}
        assert [name for name, problem in missing.items() if problem] == ["anthropic", "gemini", "bedrock-eu"]
        assert upstream.address(upstream.provider("ollama")) == "http://127.0.0.1:11434/v1"
        assert await upstream.key(upstream.provider("cluster")) == "sk-two"
        for name in ("vertex", "nothing"):
            with pytest.raises(RequestError, match="model_endpoints"):
                upstream.provider(name)


@pytest.mark.parametrize(
    "endpoint",
    [
        '[model_endpoints.openai]\nbase_url = "https://evil.example"',
        '[model_endpoints."Two Words"]\nbase_url = "https://models.example"',
        '[model_endpoints.far]\nbase_url = "http://models.example/v1"',
        '[model_endpoints.far]\nbase_url = "https://me:secret@models.example/v1"',
    ],
)
async def test_an_endpoint_that_is_not_safe_stops_the_worker_at_its_start(
    tmp_path: Path, endpoint: str
) -> None:
    file = tmp_path / "worker.toml"
    file.write_text(endpoint)
    with pytest.raises(RequestError):
        open_upstream(model_settings(load_settings(file, data_directory=tmp_path)))
