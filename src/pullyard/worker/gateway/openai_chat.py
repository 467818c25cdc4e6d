"""Chat Completions: what may pass of a request, and what its answers tell of tokens.

A stream tells its tokens only where it is asked to. Where the client did not ask, the gateway does, and takes
the one event that answers it out again; all others pass as they are. A server that does not know the wish
gets the request without it.
"""

import re
from dataclasses import replace

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
)
from pullyard.worker.gateway.metering import CHARACTERS_PER_TOKEN, AnswerMeter, Counted, count, meter_of
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import MOST_OUTPUT_TOKENS, Asked, Metered, Passed, Refused

FIELDS = names(
    """
    model messages stream stream_options max_tokens max_completion_tokens temperature top_p top_k min_p top_a
    n stop seed frequency_penalty presence_penalty repetition_penalty logit_bias logprobs top_logprobs tools
    tool_choice parallel_tool_calls functions function_call response_format reasoning_effort reasoning
    include_reasoning thinking enable_thinking thinking_budget chat_template_kwargs verbosity user metadata
    store service_tier prediction modalities prompt_cache_key prompt_cache_retention safety_identifier usage
    guided_json guided_regex guided_choice guided_grammar structured_outputs options format keep_alive think
    cache_prompt add_generation_prompt skip_special_tokens ignore_eos min_tokens tool_stream
    """
)
"""Others are refused: servers that speak this API know fields that make them fetch or search."""
_CLIENT_TOOLS = ("function", "custom")
_DATA_PARTS = ("text", "refusal", "input_audio", "thinking", "redacted_thinking", "reasoning")
_USAGE_EVENT_BYTES = 64 << 10
_EVENT_END = re.compile(rb"\r?\n\r?\n")


class _Url(msgspec.Struct):
    url: str = ""


class _File(msgspec.Struct):
    file_id: str | None = None
    file_data: str | None = None


class _Part(msgspec.Struct):
    type: str = ""
    image_url: _Url | str | None = None
    file: _File | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


class _Tool(msgspec.Struct):
    type: str = ""


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Function(msgspec.Struct):
    arguments: str | None = None


class _Call(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Error(msgspec.Struct):
    code: int | str | None = None


class _Answer(msgspec.Struct):
    """A whole answer, or a piece of a stream."""

    model: str = ""
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: _Error | str | None = None


_decode_messages = msgspec.json.Decoder(list[_Message]).decode
_decode_tools = msgspec.json.Decoder(list[_Tool] | None).decode
_decode_flag = msgspec.json.Decoder(bool).decode
_decode_words = msgspec.json.Decoder(list[str]).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode


def read(asked: Asked) -> Passed:
    """Raises Refused."""
    fields = decode_fields(asked.body)
    check_fields(fields, FIELDS)
    model = read_text(fields, "model")
    if not model or model.endswith(":online"):
        raise Refused("The request names no model, or one that searches the web.")
    _check(fields)
    size = len(asked.body)
    limit = read_number(fields, "max_completion_tokens", "max_tokens") or MOST_OUTPUT_TOKENS
    output = limit * max(1, read_number(fields, "n"))
    metered = Metered(
        model=model,
        most=Tokens(cache_write_5m=size // 2 + 1, output=output),
        open_meter=lambda content_type: open_meter(model, size, content_type),
        prices="openai",
    )
    passed = Passed(asked.named["path"], asked.body, metered)
    # What is neither true nor false is refused: servers take it for either.
    return _asking_usage(passed, fields) if decode_value(fields, "stream", _decode_flag) else passed


def _check(fields: Fields) -> None:
    """Raises Refused for what the provider would fetch, run, keep or charge otherwise."""
    tools = decode_value(fields, "tools", _decode_tools) or []
    own = next((tool.type for tool in tools if tool.type not in _CLIENT_TOOLS), None)
    if own is not None:
        raise own_tool(own or "without type")
    if any(map(_fetches, decode_value(fields, "messages", _decode_messages) or [])):
        raise Refused(FETCHES)
    check_unstored(fields)
    if set(decode_value(fields, "modalities", _decode_words) or []) - {"text"}:
        raise Refused("The gateway counts text alone: ask for no other modality.")
    check_tier(fields)


def _fetches(message: _Message) -> bool:
    return isinstance(message.content, list) and any(map(_part_fetches, message.content))


def _part_fetches(part: _Part) -> bool:
    if part.type == "image_url":
        image = part.image_url
        return not is_data(image.url if isinstance(image, _Url) else image)
    if part.type == "file":
        return part.file is not None and (bool(part.file.file_id) or not is_data(part.file.file_data))
    return part.type not in _DATA_PARTS


def _asking_usage(passed: Passed, fields: Fields) -> Passed:
    """The same with a wish for the tokens, which the client may have already."""
    options = decode_value(fields, "stream_options", decode_fields) or {}
    if options.get("include_usage") == msgspec.Raw(b"true"):
        others = {name: value for name, value in options.items() if name != "include_usage"}
        return replace(passed, unasked=lambda: replace(passed, body=_with_options(fields, others)))
    body = _with_options(fields, {**options, "include_usage": msgspec.Raw(b"true")})
    assert passed.metered is not None
    metered = replace(passed.metered, open_trim=UsageTrim)
    return replace(passed, body=body, metered=metered, unasked=lambda: passed)


def _with_options(fields: Fields, options: Fields) -> bytes:
    kept = {name: value for name, value in fields.items() if name != "stream_options"}
    return encode_fields(kept | ({"stream_options": msgspec.Raw(encode_fields(options))} if options else {}))


def open_meter(model: str, request_bytes: int, content_type: str) -> AnswerMeter:
    return meter_of(model, request_bytes, content_type, event=_read_event, whole=_read_whole)


def _read_whole(data: bytes, counted: Counted) -> None:
    answer = _decode_answer(data)
    _take(answer, counted)
    counted.complete = answer.usage is not None


def _read_event(data: bytes, counted: Counted) -> None:
    if data.strip() == b"[DONE]":
        counted.complete |= counted.output is not None
        return
    answer = _decode_answer(data)
    _take(answer, counted)
    for delta in (choice.delta for choice in answer.choices):
        if delta is not None:
            # A token at least, also where its words stand in a field that is not known here.
            counted.characters += max(CHARACTERS_PER_TOKEN, sum(map(len, _words(delta))))


def _words(delta: _Delta) -> list[str]:
    functions = [delta.function_call, *(call.function for call in delta.tool_calls or [])]
    words = [delta.content, delta.refusal, delta.reasoning, delta.reasoning_content]
    words += [function.arguments for function in functions if function is not None]
    return [word for word in words if word]


def _take(answer: _Answer, counted: Counted) -> None:
    counted.model = answer.model or counted.model
    if isinstance(answer.error, _Error):
        code = answer.error.code
        counted.failed = code if isinstance(code, int) and 400 <= code < 600 else 500
    if answer.usage is not None:
        details = answer.usage.prompt_tokens_details or _PromptDetails()
        counted.take_input(answer.usage.prompt_tokens, details.cached_tokens, details.cache_write_tokens)
        if answer.usage.completion_tokens is not None:
            counted.output = count(answer.usage.completion_tokens)


class UsageTrim:
    """Holds back no more than an event that has not ended, and not that one where it is long."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._passing = False
        """Within an event that is too long to be the one."""

    def feed(self, data: bytes) -> bytes:
        self._held += data
        passed = bytearray()
        while (match := _EVENT_END.search(self._held)) is not None:
            event = bytes(self._held[: match.end()])
            if self._passing or not _tells_usage_alone(event):
                passed += event
            del self._held[: match.end()]
            self._passing = False
        if self._passing or len(self._held) > _USAGE_EVENT_BYTES:
            self._passing = True
            # A part of what ends an event may be the last thing here.
            passed += self._held[:-3]
            del self._held[:-3]
        return bytes(passed)

    def end(self) -> bytes:
        return bytes(self._held)


def _tells_usage_alone(event: bytes) -> bool:
    lines = event.split(b"\n")
    data = [line[5:] for line in lines if line.startswith(b"data:")]
    if len(data) != 1 or len(event) > _USAGE_EVENT_BYTES:
        return False
    try:
        answer = _decode_answer(data[0])
    except (msgspec.DecodeError, RecursionError):
        return False
    return answer.usage is not None and not answer.choices and answer.error is None
