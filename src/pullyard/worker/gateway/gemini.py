"""Gemini's API: what may pass of a request, and what its answers tell of tokens.

Names of fields are taken in both spellings that Google's servers read, ``fileData`` and ``file_data``.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from pullyard.worker.gateway.json_request import (
    FETCHES,
    Fields,
    check_fields,
    check_tier,
    decode_fields,
    decode_value,
    given,
    names,
    read_number,
    shown,
)
from pullyard.worker.gateway.metering import AnswerMeter, Counted, Events, Whole, count, is_stream
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import (
    ANSWER_HEADERS,
    MODEL,
    MOST_OUTPUT_TOKENS,
    Asked,
    Metered,
    Passed,
    Provider,
    Refused,
    Route,
    no_body,
)

FIELDS = names(
    """
    model contents systeminstruction tools toolconfig generationconfig safetysettings labels store servicetier
    """
)
_PARTS = names(
    """
    text inlinedata functioncall functionresponse thought thoughtsignature videometadata mediaresolution
    partmetadata
    """
)
"""Others are files by address, and what the provider ran by itself."""
_RESULT_PARTS = frozenset({"inlinedata"})
_FREE = ("countTokens",)

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_words = msgspec.json.Decoder(list[str]).decode

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
    fields = _read_names(asked.body)
    model, size = asked.named["model"], len(asked.body)
    if asked.named["method"] in _FREE:
        inner = fields.pop("generatecontentrequest", None)
        check_request(fields)
        if inner is not None:
            check_request(_read_names(inner))
        return Passed(asked.path, asked.body)
    limit, answers = check_request(fields)
    metered = Metered(
        model=model,
        most=Tokens(input=size // 2 + 1, output=limit * answers),
        open_meter=lambda content_type: open_meter(model, size, content_type),
        prices="gemini",
    )
    return Passed(asked.path, asked.body, metered)


def check_request(fields: Fields) -> tuple[int, int]:
    """The most tokens of an answer, and how many are asked for. Raises Refused."""
    check_fields(fields, FIELDS)
    for tool in _objects(fields, "tools"):
        if own := next((name for name in tool if name != "functiondeclarations" and given(tool, name)), None):
            raise Refused(f"The gateway lets no request use the provider's own tool {shown(own)}.")
    # One that stands alone is taken for a list of one, and so may be a single part.
    contents = [*_objects(fields, "contents"), *_objects(fields, "systeminstruction")]
    for part in (part for content in contents for part in _objects(content, "parts")):
        _check_part(part, _PARTS)
        for response in _objects(part, "functionresponse"):
            for result in _objects(response, "parts"):
                _check_part(result, _RESULT_PARTS)
    if given(fields, "store"):
        raise Refused("The gateway lets no request be stored: send store as false.")
    check_tier(fields, "servicetier")
    return _check_generation(fields)


def _check_part(part: Fields, known: frozenset[str]) -> None:
    if any(name not in known and given(part, name) for name in part):
        raise Refused(FETCHES)


def _check_generation(fields: Fields) -> tuple[int, int]:
    config = next(iter(_objects(fields, "generationconfig")), {})
    modalities = decode_value(config, "responsemodalities", _decode_words) or []
    if {word.upper() for word in modalities} - {"TEXT"}:
        raise Refused("The gateway counts text alone: ask for no other modality.")
    limit = read_number(config, "maxoutputtokens") or MOST_OUTPUT_TOKENS
    return limit, max(1, read_number(config, "candidatecount"))


def _objects(fields: Fields, name: str) -> list[Fields]:
    """What a field holds, one object or several."""
    if not given(fields, name):
        return []
    value = fields[name]
    if bytes(memoryview(value)[:1]) != b"[":
        return [_read_names(value)]
    return [_read_names(one) for one in decode_value(fields, name, _decode_list) or []]


def _read_names(value: bytes | msgspec.Raw) -> Fields:
    """Each field by its name in small letters without ``_``. Raises Refused."""
    fields = decode_fields(value)
    plain = {name.replace("_", "").lower(): one for name, one in fields.items()}
    if len(plain) != len(fields):
        raise Refused("A field is given twice, in different spellings.")
    return plain


def open_meter(model: str, request_bytes: int, content_type: str) -> AnswerMeter:
    if is_stream(content_type):
        return AnswerMeter(model, request_bytes, Events(), _read_event)
    return AnswerMeter(model, request_bytes, Whole(), _read_whole)


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
