"""Anthropic's Messages API, as far as the gateway must understand it: requests to refuse, tokens to count."""

import re
from typing import Any

import msgspec

from pullyard.worker.gateway.metering import MOST_TOKENS, AnswerMeter, Counted, meter_of
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import (
    ANSWER_HEADERS,
    MODEL,
    Asked,
    Metered,
    Passed,
    Provider,
    Refused,
    Route,
    no_body,
)

_CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "memory_", "custom")


class _Source(msgspec.Struct):
    type: str = ""
    content: "str | list[_Block] | None" = None


class _Block(msgspec.Struct):
    type: str = ""
    source: _Source | str | None = None
    content: "str | list[_Block] | dict[str, msgspec.Raw] | None" = None


class _Message(msgspec.Struct):
    content: str | list[_Block] = ""


class _Tool(msgspec.Struct):
    type: str | None = None


class Request(msgspec.Struct):
    """The part of a request that decides on its price and on where its data may go."""

    model: str = ""
    max_tokens: int = 0
    messages: list[_Message] = []
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None
    mcp_servers: msgspec.Raw | None = None
    container: msgspec.Raw | None = None
    speed: str | None = None
    inference_geo: str | None = None


class _CacheCreation(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None


class _Answer(msgspec.Struct):
    model: str = ""
    usage: _Usage | None = None


class _Delta(msgspec.Struct):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Error(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    type: str
    message: _Answer | None = None
    usage: _Usage | None = None
    delta: _Delta | None = None
    error: _Error | None = None


_decode_request = msgspec.json.Decoder(Request).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}
_STATUSES = {kind: status for status, kind in _ERRORS.items()}


def check_request(body: bytes) -> Request:
    """Raises Refused."""
    try:
        request = _decode_request(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused("The body is not a request of the Messages API.") from error
    if not 0 <= request.max_tokens <= MOST_TOKENS:
        raise Refused("The body is not a request of the Messages API.")
    reason = _refusal(request)
    if reason:
        raise Refused(reason)
    return request


def _refusal(request: Request) -> str | None:
    """The provider would fetch or run something for it, out of the sandbox."""
    if _given(request.mcp_servers) or _given(request.container):
        return "The gateway lets no request use remote servers or containers."
    if own := next((tool.type for tool in request.tools or [] if runs_at_provider(tool.type)), None):
        return f"The gateway lets no request use the provider's own tool {own[:60]}."
    if request.speed not in (None, "standard") or request.inference_geo not in (None, "", "global"):
        return "The gateway lets no request choose a speed or place with another price."
    if any(map(_fetches, _contents_of(request))):
        return "The gateway lets no request name an address or a stored file: send the data itself."
    return None


def _given(value: msgspec.Raw | None) -> bool:
    return value is not None and bytes(value) not in (b"null", b"[]")


def _contents_of(request: Request) -> "list[str | list[_Block] | dict[str, Any] | None]":
    system = request.system if isinstance(request.system, list) else []
    return [system, *(message.content for message in request.messages)]


def runs_at_provider(tool_type: str | None) -> bool:
    """A tool without a type is the agent's own: it runs in the sandbox."""
    return bool(tool_type) and not tool_type.startswith(_CLIENT_TOOLS)


def _fetches(content: "str | list[_Block] | dict[str, Any] | None") -> bool:
    if isinstance(content, list):
        return any(_block_fetches(block) for block in content)
    # Only results of the provider's own tools are objects.
    return isinstance(content, dict)


def _block_fetches(block: _Block) -> bool:
    if isinstance(block.source, _Source) and (
        block.source.type in ("url", "file") or _fetches(block.source.content)
    ):
        return True
    return _fetches(block.content)


def metered(request: Request, model: str, body_bytes: int) -> Metered:
    """The most is above what a request can use: a token is rarely under two bytes of JSON."""
    return Metered(
        model=model,
        most=Tokens(cache_write_1h=body_bytes // 2 + 1, output=request.max_tokens),
        open_meter=lambda content_type: open_meter(model, body_bytes, content_type),
        prices="anthropic",
    )


def open_meter(model: str, request_bytes: int, content_type: str) -> AnswerMeter:
    return meter_of(model, request_bytes, content_type, event=read_event, whole=read_whole)


def read_event(data: bytes, counted: Counted) -> None:
    event = _decode_event(data)
    if event.message is not None:
        _take(event.message, counted)
    if event.usage is not None:
        _merge(event.usage, counted)
    if event.delta is not None:
        delta = event.delta
        counted.characters += len(delta.text) + len(delta.thinking) + len(delta.partial_json)
    if event.error is not None:
        counted.failed = _STATUSES.get(event.error.type, 500)
    counted.complete |= event.type == "message_stop"


def read_whole(data: bytes, counted: Counted) -> None:
    answer = _decode_answer(data)
    _take(answer, counted)
    counted.complete = answer.usage is not None


def _take(answer: _Answer, counted: Counted) -> None:
    counted.model = answer.model or counted.model
    if answer.usage is not None:
        _merge(answer.usage, counted)


def _merge(usage: _Usage, counted: Counted) -> None:
    """The counts of a stream are running totals, and a later event may leave some of them out."""
    hour = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else None
    told = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read": usage.cache_read_input_tokens,
        "cache_write": usage.cache_creation_input_tokens,
        "cache_write_1h": hour,
    }
    for name, value in told.items():
        if value is not None:
            setattr(counted, name, value)


def _messages(asked: Asked) -> Passed:
    request = check_request(asked.body)
    if not request.model:
        raise Refused("The request names no model.")
    return Passed(asked.path, asked.body, metered(request, request.model, len(asked.body)))


def _count_tokens(asked: Asked) -> Passed:
    # Free of charge, yet the provider would fetch what it names all the same.
    check_request(asked.body)
    return Passed(asked.path, asked.body)


def _error(status: int, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _ERRORS.get(status, "api_error"), "message": message}}


ANTHROPIC = Provider(
    name="anthropic",
    base_url="https://api.anthropic.com",
    key_variable="PULLYARD_WORKER_ANTHROPIC_API_KEY",
    routes=[
        Route("POST", re.compile("/v1/messages"), _messages),
        Route("POST", re.compile("/v1/messages/count_tokens"), _count_tokens),
        Route("GET", re.compile(f"/v1/models(/{MODEL})?"), no_body),
    ],
    key_header=lambda key: ("x-api-key", key),
    error=_error,
    query=frozenset({"beta", "limit", "after_id", "before_id"}),
    request_headers=frozenset(
        {"accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta", "x-app"}
    ),
    response_headers=ANSWER_HEADERS | {"request-id"},
    response_header_prefixes=("anthropic-ratelimit-", "retry-after-"),
)
