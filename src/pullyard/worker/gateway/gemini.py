"""Gemini's API: its routes, and what its answers tell of tokens."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from pullyard.worker.gateway.gemini_request import read_count, read_generation
from pullyard.worker.gateway.metering import AnswerMeter, Counted, count, meter_of
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import (
    ANSWER_HEADERS,
    MODEL,
    Asked,
    Metered,
    Passed,
    Provider,
    Route,
    no_body,
)

_FREE = "countTokens"

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
}


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    function_call: msgspec.Raw = msgspec.Raw(b"")


class _Content(msgspec.Struct):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Error(msgspec.Struct):
    code: int = 500


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] = []
    usage_metadata: _Usage | None = None
    model_version: str = ""
    error: _Error | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_answers = msgspec.json.Decoder(list[_Answer] | _Answer).decode


def read(asked: Asked) -> Passed:
    """Raises Refused."""
    if asked.named["method"] == _FREE:
        return Passed(asked.path, read_count(asked.body))
    asks, model, size = read_generation(asked.body), asked.named["model"], len(asked.body)
    metered = Metered(
        model=model,
        most=Tokens(input=size // 2 + 1, output=asks.most_tokens),
        open_meter=lambda content_type: open_meter(model, size, content_type),
        prices="gemini",
    )
    return Passed(asked.path, asks.body, metered)


def open_meter(model: str, request_bytes: int, content_type: str) -> AnswerMeter:
    return meter_of(model, request_bytes, content_type, event=_read_event, whole=_read_whole)


def _read_whole(data: bytes, counted: Counted) -> None:
    """One answer, or the list of pieces that a stream without events is."""
    answer = _decode_answers(data)
    _take(answer if isinstance(answer, list) else [answer], counted)
    counted.complete = counted.output is not None


def _read_event(data: bytes, counted: Counted) -> None:
    answer = _decode_answer(data)
    _take([answer], counted)
    ended = any(candidate.finish_reason for candidate in answer.candidates)
    counted.complete |= ended and counted.output is not None


def _take(pieces: Iterable[_Answer], counted: Counted) -> None:
    for piece in pieces:
        counted.model = piece.model_version or counted.model
        if piece.error is not None:
            counted.failed = piece.error.code if 400 <= piece.error.code < 600 else 500
        for candidate in piece.candidates:
            parts = candidate.content.parts if candidate.content else []
            counted.characters += sum(len(part.text) + len(memoryview(part.function_call)) for part in parts)
        if piece.usage_metadata is not None:
            _merge(piece.usage_metadata, counted)


def _merge(usage: _Usage, counted: Counted) -> None:
    if usage.prompt_token_count is not None:
        whole = count(usage.prompt_token_count) + count(usage.tool_use_prompt_token_count)
        counted.take_input(whole, usage.cached_content_token_count)
    if usage.candidates_token_count is not None or usage.thoughts_token_count is not None:
        counted.output = count(usage.candidates_token_count) + count(usage.thoughts_token_count)


def error(status: int, message: str) -> dict[str, Any]:
    kind = _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    return {"error": {"code": status, "message": message, "status": kind}}


METHODS = "generateContent|streamGenerateContent|countTokens"
QUERY = frozenset({"alt", "pageSize", "pageToken"})
GOOGLE_HEADERS = frozenset({"accept", "content-type", "user-agent", "x-goog-api-client"})
GEMINI = Provider(
    name="gemini",
    base_url="https://generativelanguage.googleapis.com",
    key_variable="PULLYARD_WORKER_GEMINI_API_KEY",
    routes=[
        Route("POST", re.compile(f"/v1(beta)?/models/(?P<model>{MODEL}):(?P<method>{METHODS})"), read),
        Route("GET", re.compile("/v1(beta)?/models(/[A-Za-z0-9_.-]{1,150})?"), no_body),
    ],
    key_header=lambda key: ("x-goog-api-key", key),
    error=error,
    query=QUERY,
    dropped_query=frozenset({"key"}),
    request_headers=GOOGLE_HEADERS,
    response_headers=ANSWER_HEADERS | {"server-timing"},
)
