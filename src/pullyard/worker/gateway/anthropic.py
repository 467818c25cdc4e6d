"""Anthropic's Messages API, as far as the gateway must understand it: requests to refuse, tokens to count."""

from typing import Any

import msgspec

from pullyard.worker.gateway.prices import Tokens

LINE_LIMIT_BYTES = 8 << 20
_CHARACTERS_PER_TOKEN = 3
_MOST_TOKENS = 1 << 40
_CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "memory_", "custom")


class _Source(msgspec.Struct):
    type: str = ""
    content: "str | list[_Block] | None" = None


class _Block(msgspec.Struct):
    type: str = ""
    source: _Source | str | None = None
    content: "str | list[_Block] | dict[str, Any] | None" = None


class _Message(msgspec.Struct):
    content: str | list[_Block] = ""


class _Tool(msgspec.Struct):
    type: str | None = None


class Request(msgspec.Struct):
    """The part of a request that decides on its price and on where its data may go."""

    model: str
    max_tokens: int = 0
    messages: list[_Message] = []
    system: str | list[_Block] | None = None
    tools: list[_Tool] | None = None
    mcp_servers: list[Any] | None = None
    container: Any = None
    speed: str | None = None
    inference_geo: Any = None


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


class _Event(msgspec.Struct):
    type: str
    message: _Answer | None = None
    usage: _Usage | None = None
    delta: _Delta | None = None


_decode_request = msgspec.json.Decoder(Request).decode
_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def read_request(body: bytes) -> Request | None:
    """None for what is not a request."""
    try:
        request = _decode_request(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return request if 0 <= request.max_tokens <= _MOST_TOKENS else None


def refusal(request: Request) -> str | None:
    """Why a request may not pass: the provider would fetch or run something for it, out of the sandbox."""
    if request.mcp_servers or request.container is not None:
        return "The gateway lets no request use remote servers or containers."
    if own := next((tool.type for tool in request.tools or [] if runs_at_provider(tool.type)), None):
        return f"The gateway lets no request use the provider's own tool {own[:60]}."
    if request.speed not in (None, "standard") or request.inference_geo not in (None, "", "global"):
        return "The gateway lets no request choose a speed or place with another price."
    if any(map(_fetches, contents_of(request))):
        return "The gateway lets no request name an address or a stored file: send the data itself."
    return None


def contents_of(request: Request) -> "list[str | list[_Block] | dict[str, Any] | None]":
    system = request.system if isinstance(request.system, list) else []
    return [system, *(message.content for message in request.messages)]


def runs_at_provider(tool_type: str | None) -> bool:
    """A tool without a type is the agent's own: it runs in the sandbox."""
    return bool(tool_type) and not tool_type.startswith(_CLIENT_TOOLS)


def _fetches(content: "str | list[_Block] | dict[str, Any] | None") -> bool:
    if isinstance(content, list):
        return any(block_fetches(block) for block in content)
    # Only results of the provider's own tools are objects.
    return isinstance(content, dict)


def block_fetches(block: _Block) -> bool:
    if isinstance(block.source, _Source) and (
        block.source.type in ("url", "file") or _fetches(block.source.content)
    ):
        return True
    return _fetches(block.content)


def most_tokens(request: Request, body_bytes: int) -> Tokens:
    """Above what the request can use: a token is rarely under two bytes of JSON."""
    return Tokens(cache_write_1h=body_bytes // 2 + 1, output=request.max_tokens)


class Meter:
    """Counts one answer's tokens from its bytes, fed cut anywhere.

    Where the provider's count is missing or the answer broke off, ``tokens`` is an estimate from the bytes.
    """

    def __init__(self, model: str, request_bytes: int, *, streamed: bool) -> None:
        self.model = model
        self._request_bytes = request_bytes
        self._streamed = streamed
        self._held = bytearray()
        self._usage = _Usage()
        self._complete = False
        self._characters = 0
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        self._bytes += len(data)
        self._held += data
        if not self._streamed:
            del self._held[LINE_LIMIT_BYTES:]
            return
        end = self._held.rfind(b"\n") + 1
        if end:
            for line in bytes(self._held[:end]).split(b"\n"):
                if line.startswith(b"data:"):
                    self._understand(line[5:])
            del self._held[:end]
        if len(self._held) > LINE_LIMIT_BYTES:
            self._characters += len(self._held)
            self._held.clear()

    def _understand(self, line: bytes) -> None:
        try:
            event = _decode_event(line)
        except (msgspec.DecodeError, RecursionError):
            self._characters += len(line)
            return
        if event.message is not None:
            self._take(event.message)
        if event.usage is not None:
            self._merge(event.usage)
        if event.delta is not None:
            delta = event.delta
            self._characters += len(delta.text) + len(delta.thinking) + len(delta.partial_json)
        self._complete |= event.type == "message_stop"

    def tokens(self) -> Tokens:
        """Call it once, at the end of the answer, whole or broken off."""
        if not self._streamed:
            self._read_whole()
        usage = self._usage
        prompt, output = _count(usage.input_tokens), _count(usage.output_tokens)
        if usage.input_tokens is None:
            prompt = self._request_bytes // _CHARACTERS_PER_TOKEN + 1
        if not self._complete:
            seen = self._bytes if usage.output_tokens is None else self._characters
            output = max(output, seen // _CHARACTERS_PER_TOKEN)
        written = _count(usage.cache_creation_input_tokens)
        creation = usage.cache_creation or _CacheCreation()
        for_an_hour = min(written, _count(creation.ephemeral_1h_input_tokens))
        return Tokens(
            input=prompt,
            cache_read=_count(usage.cache_read_input_tokens),
            cache_write_5m=written - for_an_hour,
            cache_write_1h=for_an_hour,
            output=output,
        )

    def _read_whole(self) -> None:
        try:
            answer = _decode_answer(self._held)
        except (msgspec.DecodeError, RecursionError):
            return
        self._take(answer)
        self._complete = answer.usage is not None

    def _take(self, answer: _Answer) -> None:
        self.model = answer.model or self.model
        if answer.usage is not None:
            self._merge(answer.usage)

    def _merge(self, usage: _Usage) -> None:
        # The counts of a stream are running totals, and a later event may leave some of them out.
        for name in usage.__struct_fields__:
            value = getattr(usage, name)
            if value is not None:
                setattr(self._usage, name, value)


def _count(value: int | None) -> int:
    return min(max(value or 0, 0), _MOST_TOKENS)
