"""Gemini's requests, read and made anew from what was read.

Google's servers take names in two spellings, ``fileData`` and ``file_data``: so nothing is passed on but what
was understood, each field by one name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from pullyard.worker.gateway.json_request import (
    FETCHES,
    Fields,
    check_tier,
    decode_fields,
    decode_value,
    encode_fields,
    given,
    read_number,
    shown,
)
from pullyard.worker.gateway.provider import MOST_OUTPUT_TOKENS, Refused

MOST_OBJECTS = 50_000
"""Of a request, that are read one by one."""

_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_words = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True)
class Shape:
    """An object, or a list of them. Other fields than these are refused, but for empty ones."""

    names: tuple[str, ...]
    """As they are passed on."""
    refusal: Callable[[str], str]
    """The sentence about another one."""
    inside: Mapping[str, "Shape"] = field(default_factory=dict[str, "Shape"])
    """Fields that are read in their turn."""

    @cached_property
    def known(self) -> Mapping[str, str]:
        return {plain(name): name for name in self.names}


class _Remake:
    """Of one request."""

    def __init__(self) -> None:
        self._objects = 0

    def all(self, shape: Shape, value: bytes | msgspec.Raw) -> msgspec.Raw:
        """An object, or a list of them. Raises Refused."""
        if bytes(memoryview(value)[:1]) != b"[":
            return self._one(shape, value)
        try:
            each = _decode_list(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused("The body is not a JSON object.") from error
        return msgspec.Raw(msgspec.json.encode([self._one(shape, one) for one in each]))

    def _one(self, shape: Shape, value: bytes | msgspec.Raw) -> msgspec.Raw:
        self._objects += 1
        if self._objects > MOST_OBJECTS:
            raise Refused("The request has more parts than the gateway reads.")
        fields, made = decode_fields(value), Fields()
        for name, one in fields.items():
            kept = shape.known.get(plain(name))
            if kept is None:
                if given(fields, name):
                    raise Refused(shape.refusal(shown(name)))
                continue
            if kept in made:
                raise Refused(f"The field {shown(name)} is given twice, in different spellings.")
            inner = shape.inside.get(kept) if given(fields, name) else None
            made[kept] = one if inner is None else self.all(inner, one)
        return msgspec.Raw(encode_fields(made))


def plain(name: str) -> str:
    """The same for all spellings of a name."""
    return name.replace("_", "").lower()


def _unknown(name: str) -> str:
    return f"The gateway does not pass the field {name}."


def _fetching(name: str) -> str:
    del name
    return FETCHES


def _own_tool(name: str) -> str:
    return f"The gateway lets no request use the provider's own tool {name}."


_RESULT = Shape(
    ("id", "name", "response", "willContinue", "scheduling", "parts"),
    _unknown,
    {"parts": Shape(("inlineData",), _fetching)},
)
_PART = Shape(
    (
        *("text", "inlineData", "functionCall", "functionResponse", "thought", "thoughtSignature"),
        *("videoMetadata", "mediaResolution", "partMetadata"),
    ),
    _fetching,
    {"functionResponse": _RESULT},
)
"""Others are files by address, and what the provider ran by itself."""
_CONTENT = Shape(("role", "parts"), _unknown, {"parts": _PART})
_CONFIG = Shape(
    (
        *("candidateCount", "stopSequences", "maxOutputTokens", "temperature", "topP", "topK", "seed"),
        *("presencePenalty", "frequencyPenalty", "responseLogprobs", "logprobs", "thinkingConfig"),
        *("responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities"),
        *("mediaResolution", "audioTimestamp"),
    ),
    _unknown,
)
"""Others choose another model, or answers that are no text."""
_FIELDS = (
    *("model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"),
    *("labels", "store", "serviceTier"),
)
_REQUEST = Shape(
    _FIELDS,
    _unknown,
    {
        "contents": _CONTENT,
        "systemInstruction": _CONTENT,
        "tools": Shape(("functionDeclarations",), _own_tool),
        "generationConfig": _CONFIG,
    },
)
_COUNT = Shape(
    (*_FIELDS, "generateContentRequest"),
    _unknown,
    {**_REQUEST.inside, "generateContentRequest": _REQUEST},
)


@dataclass(frozen=True)
class Generation:
    body: bytes
    most_tokens: int
    """Of all its answers."""


def read_generation(body: bytes) -> Generation:
    """Raises Refused."""
    made = _Remake().all(_REQUEST, _object(body))
    fields = decode_fields(made)
    if given(fields, "store"):
        raise Refused("The gateway lets no request be stored: send store as false.")
    check_tier(fields, "serviceTier")
    config = decode_value(fields, "generationConfig", decode_fields) or {}
    modalities = decode_value(config, "responseModalities", _decode_words) or []
    if {word.upper() for word in modalities} - {"TEXT"}:
        raise Refused("The gateway counts text alone: ask for no other modality.")
    limit = read_number(config, "maxOutputTokens") or MOST_OUTPUT_TOKENS
    return Generation(bytes(made), limit * max(1, read_number(config, "candidateCount")))


def read_count(body: bytes) -> bytes:
    """Of a request for a count, which is free. Raises Refused."""
    return bytes(_Remake().all(_COUNT, _object(body)))


def _object(body: bytes) -> bytes:
    # A list would be taken for several requests.
    if not body.lstrip(b" \t\r\n").startswith(b"{"):
        raise Refused("The body is not a JSON object.")
    return body.lstrip(b" \t\r\n")
