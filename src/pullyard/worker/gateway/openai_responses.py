"""The Responses API: what may pass of a request, and what its answers tell of tokens.

Answers are kept by the provider unless a request says otherwise, so one that says nothing is passed on with
``store`` as false.
"""

from collections.abc import Iterator

import msgspec

from pullyard.worker.gateway.json_request import (
    FETCHES,
    Fields,
    check_fields,
    check_tier,
    check_unstored,
    decode_fields,
    decode_value,
    encode_fields,
    is_data,
    names,
    own_tool,
    read_number,
    read_text,
    shown,
)
from pullyard.worker.gateway.metering import AnswerMeter, Counted, count, meter_of
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import MOST_OUTPUT_TOKENS, Asked, Metered, Passed, Refused

FIELDS = names(
    """
    model input instructions tools tool_choice parallel_tool_calls stream stream_options store include
    reasoning text truncation max_output_tokens max_tool_calls temperature top_p top_logprobs metadata
    client_metadata user prompt_cache_key prompt_cache_retention safety_identifier service_tier
    context_management verbosity
    """
)
"""Others are refused: what is stored at the provider, and what works there in the background."""
_CLIENT_TOOLS = ("function", "custom", "local_shell", "apply_patch", "computer_use_preview")
_ITEMS = (
    *("", "message", "reasoning", "compaction", "function_call", "function_call_output"),
    *("custom_tool_call", "custom_tool_call_output", "local_shell_call", "local_shell_call_output"),
    *("shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output"),
    *("computer_call", "computer_call_output"),
)
_PARTS = (
    *("text", "input_text", "output_text", "refusal", "summary_text", "reasoning_text"),
    *("input_image", "input_file", "input_audio", "computer_screenshot"),
)
_FAILED = {"rate_limit_exceeded": 429, "insufficient_quota": 402, "invalid_prompt": 400}


class _Environment(msgspec.Struct):
    type: str = ""


class _Tool(msgspec.Struct):
    type: str = ""
    environment: _Environment | None = None
    tools: "list[_Tool] | None" = None


class _Part(msgspec.Struct):
    """Of an item."""

    type: str = ""
    image_url: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    file_data: str | None = None


class _Item(msgspec.Struct):
    type: str = ""
    content: str | list[_Part] | None = None
    output: str | list[_Part] | _Part | None = None
    environment: _Environment | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None


class _Error(msgspec.Struct):
    code: str | int | None = None


class _Answer(msgspec.Struct):
    model: str = ""
    usage: _Usage | None = None
    error: _Error | None = None


class _Event(msgspec.Struct):
    type: str = ""
    delta: str | None = None
    response: _Answer | None = None
    code: str | None = None


_decode_input = msgspec.json.Decoder(str | list[_Item]).decode
_decode_tools = msgspec.json.Decoder(list[_Tool]).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def read(asked: Asked) -> Passed:
    """Raises Refused."""
    fields = decode_fields(asked.body)
    check_fields(fields, FIELDS)
    model, size = read_text(fields, "model"), len(asked.body)
    if not model:
        raise Refused("The request names no model.")
    _check(fields)
    body = asked.body
    if "store" not in fields:
        body = encode_fields({**fields, "store": msgspec.Raw(b"false")})
    limit = read_number(fields, "max_output_tokens") or MOST_OUTPUT_TOKENS
    metered = Metered(
        model=model,
        most=Tokens(cache_write_5m=size // 2 + 1, output=limit),
        open_meter=lambda content_type: open_meter(model, size, content_type),
        prices="openai",
    )
    return Passed(asked.named["path"], body, metered)


def _check(fields: Fields) -> None:
    """Raises Refused for what the provider would fetch, run, keep or charge otherwise."""
    if own := next(_own_tools(decode_value(fields, "tools", _decode_tools) or []), None):
        raise own_tool(own)
    told = decode_value(fields, "input", _decode_input) or []
    for item in told if isinstance(told, list) else []:
        if item.type not in _ITEMS or _is_remote(item.environment):
            raise Refused(f"The gateway passes no item {shown(item.type)}, which is the provider's own work.")
        if _fetches(item.content) or _fetches(item.output):
            raise Refused(FETCHES)
    check_unstored(fields)
    check_tier(fields)


def _own_tools(tools: list[_Tool]) -> Iterator[str]:
    """Tools of the provider; those of a namespace are looked through."""
    for tool in tools:
        if tool.type == "namespace":
            yield from _own_tools(tool.tools or [])
        elif tool.type == "shell":
            if tool.environment is None or _is_remote(tool.environment):
                yield "shell in a container"
        elif tool.type not in _CLIENT_TOOLS:
            yield tool.type or "without a type"


def _is_remote(environment: _Environment | None) -> bool:
    return environment is not None and environment.type != "local"


def _fetches(content: str | list[_Part] | _Part | None) -> bool:
    parts = content if isinstance(content, list) else [content] if isinstance(content, _Part) else []
    return any(map(_part_fetches, parts))


def _part_fetches(part: _Part) -> bool:
    stored = part.file_id or part.file_url or part.type not in _PARTS
    return bool(stored) or not (is_data(part.image_url) and is_data(part.file_data))


def open_meter(model: str, request_bytes: int, content_type: str) -> AnswerMeter:
    return meter_of(model, request_bytes, content_type, event=_read_event, whole=_read_whole)


def _read_whole(data: bytes, counted: Counted) -> None:
    answer = _decode_answer(data)
    _take(answer, counted)
    counted.complete = answer.usage is not None


def _read_event(data: bytes, counted: Counted) -> None:
    event = _decode_event(data)
    if event.delta is not None:
        counted.characters += len(event.delta)
    if event.response is not None:
        _take(event.response, counted)
        counted.complete |= event.response.usage is not None
    if event.type == "error":
        counted.failed = _FAILED.get(event.code or "", 500)


def _take(answer: _Answer, counted: Counted) -> None:
    counted.model = answer.model or counted.model
    if answer.error is not None:
        counted.failed = _FAILED.get(str(answer.error.code), 500)
    if answer.usage is not None:
        details = answer.usage.input_tokens_details or _InputDetails()
        counted.take_input(answer.usage.input_tokens, details.cached_tokens, details.cache_write_tokens)
        if answer.usage.output_tokens is not None:
            counted.output = count(answer.usage.output_tokens)
