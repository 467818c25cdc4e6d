"""Amazon Bedrock, passed through with a bearer key: Anthropic's models by InvokeModel, whole and streamed.

A stream is in Amazon's event frames, each with a piece of Anthropic's own stream inside, in base64.
"""

import re
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from pullyard.worker.gateway import anthropic
from pullyard.worker.gateway.metering import HELD_BYTES, AnswerMeter, Whole
from pullyard.worker.gateway.prices import Tokens
from pullyard.worker.gateway.provider import (
    ANSWER_HEADERS,
    Asked,
    Meter,
    Metered,
    Passed,
    Provider,
    Refused,
    Route,
)

_STREAM = "application/vnd.amazon.eventstream"
_PRELUDE = struct.Struct(">III")
_CHECKSUM_BYTES = 4
_NAME = r"(?:[a-z-]{2,20}\.)?anthropic\.(?P<name>[A-Za-z0-9_.:-]{1,120})"


class _Chunk(msgspec.Struct):
    piece: bytes = msgspec.field(name="bytes", default=b"")


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class Frames:
    """Amazon's: sizes, headers, a payload and checksums. What can't be one is skipped to the end."""

    def __init__(self) -> None:
        self.skipped_bytes = 0
        self._held = bytearray()
        self._lost = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._lost:
            self.skipped_bytes += len(data)
            return
        self._held += data
        while len(self._held) >= _PRELUDE.size and not self._lost:
            size, header_size, _ = _PRELUDE.unpack_from(self._held)
            if not _PRELUDE.size + header_size + _CHECKSUM_BYTES <= size <= HELD_BYTES:
                self._lost = True
                self.skipped_bytes += len(self._held)
                self._held.clear()
            elif len(self._held) < size:
                return
            else:
                payload = bytes(self._held[_PRELUDE.size + header_size : size - _CHECKSUM_BYTES])
                del self._held[:size]
                yield _inside(payload)

    def end(self) -> Iterator[bytes]:
        yield from ()


def _inside(payload: bytes) -> bytes:
    try:
        return _decode_chunk(payload).piece
    except (msgspec.DecodeError, RecursionError):
        return payload


def _ask(asked: Asked) -> Passed:
    request = anthropic.check_request(asked.body)
    if request.model:
        raise Refused("The model is named by the address alone.")
    model, size = asked.named["name"], len(asked.body)

    def open_meter(content_type: str) -> Meter:
        if content_type.startswith(_STREAM):
            return AnswerMeter(model, size, Frames(), anthropic.read_event, answer_names=False)
        return AnswerMeter(model, size, Whole(), anthropic.read_whole, answer_names=False)

    most = Tokens(cache_write_1h=size // 2 + 1, output=request.max_tokens)
    return Passed(asked.path, asked.body, Metered(model, most, open_meter, prices="anthropic"))


def _error(status: int, message: str) -> dict[str, Any]:
    del status
    return {"message": message}


BEDROCK = Provider(
    name="bedrock",
    base_url=None,
    key_variable="the endpoint's key, key_file or key_command",
    routes=[Route("POST", re.compile(f"/model/{_NAME}/invoke(?:-with-response-stream)?"), _ask)],
    key_header=lambda key: ("authorization", f"Bearer {key}"),
    error=_error,
    response_headers=ANSWER_HEADERS | {"x-amzn-requestid", "x-amzn-errortype"},
    response_header_prefixes=("x-amzn-bedrock-", "retry-after-"),
)
