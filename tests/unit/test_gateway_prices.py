"""What tokens cost, and what is counted from an answer however it is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullyard.worker.gateway.anthropic import open_meter
from pullyard.worker.gateway.prices import Tokens, price_list

PRICES = price_list("anthropic")


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        ("claude-opus-4-8", "claude-opus-4-8"),
        ("claude-opus-4-8[1m]", "claude-opus-4-8"),
        ("claude-opus-4-1-20250805", "claude-opus-4"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-opus-5-5", "claude-opus-5-5"),
        ("claude-opus-5", "claude-opus-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
    ],
)
def test_a_model_has_the_price_of_its_longest_prefix(model: str, prefix: str) -> None:
    assert PRICES.of(model).prefix == prefix


@pytest.mark.parametrize("model", ["", "gpt-9", "claude-opus-45", "claude-opus-4x"])
def test_an_unknown_model_costs_as_much_as_the_dearest(model: str) -> None:
    assert PRICES.of(model).output == max(price.output for price in PRICES.models)


def test_the_list_has_a_date_and_sane_prices() -> None:
    assert PRICES.as_of >= "2026-10"
    for price in PRICES.models:
        cached = [price.cache_read, price.input, price.cache_write_5m, price.cache_write_1h, price.output]
        assert cached == sorted(one for one in cached if one)


def test_every_kind_of_token_has_its_price() -> None:
    price = PRICES.of("claude-sonnet-4-5")
    tokens = Tokens(input=1000, cache_read=1000, cache_write_5m=1000, cache_write_1h=1000, output=1000)
    assert price.cost_micros(tokens) == 3000 + 300 + 3750 + 6000 + 15000
    assert price.cost_micros(Tokens(cache_read=1)) == 1


def test_a_long_prompt_costs_more() -> None:
    price = PRICES.of("claude-haiku-5-5")
    assert price.cost_micros(Tokens(input=100_000, output=10)) == 10_005
    assert price.cost_micros(Tokens(input=50_000, cache_read=50_001)) == 5 * 5000 + 2501


def count(answer: bytes, *, streamed: bool, piece_bytes: int = 1000) -> Tokens:
    meter = open_meter("claude-sonnet-4-5", 300, "text/event-stream" if streamed else "")
    for at in range(0, len(answer), piece_bytes):
        meter.feed(answer[at : at + piece_bytes])
    return meter.tokens()


USAGE = {
    "input_tokens": 5,
    "output_tokens": 1,
    "cache_read_input_tokens": 70,
    "cache_creation_input_tokens": 30,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
}
EVENTS = [
    {"type": "message_start", "message": {"model": "claude-sonnet-4-5", "usage": USAGE}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "ä" * 90}},
    {"type": "message_delta", "usage": {"output_tokens": 25, "input_tokens": None}},
    {"type": "message_stop"},
]
STREAM = b"".join(f"event: x\ndata: {json.dumps(event)}\n\n".encode() for event in EVENTS)


@given(st.integers(1, len(STREAM)))
def test_where_a_stream_is_cut_changes_no_count(piece_bytes: int) -> None:
    tokens = count(STREAM, streamed=True, piece_bytes=piece_bytes)
    assert tokens == Tokens(input=5, cache_read=70, cache_write_5m=10, cache_write_1h=20, output=25)


def test_a_whole_answer_is_counted_too() -> None:
    answer = json.dumps({"model": "m", "usage": USAGE}).encode()
    assert count(answer, streamed=False) == Tokens(5, 70, 10, 20, 1)


@given(st.integers(0, len(STREAM) - 1))
def test_a_broken_stream_is_never_counted_as_nothing(end: int) -> None:
    tokens = count(STREAM[:end], streamed=True)
    assert tokens.prompt >= 100
    assert tokens.output >= (25 if end > STREAM.index(b"message_delta") else 0)


@given(st.binary(max_size=200), st.booleans())
def test_no_answer_makes_the_meter_raise(answer: bytes, streamed: bool) -> None:  # noqa: FBT001
    tokens = count(b"data: " + answer + b"\n" + STREAM, streamed=streamed)
    assert tokens.prompt > 0


def test_an_endless_line_is_not_held() -> None:
    meter = open_meter("m", 3, "text/event-stream")
    for _ in range(40):
        meter.feed(b"x" * (1 << 20))
    assert meter.tokens().output >= (40 << 20) // 3
