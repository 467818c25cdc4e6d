"""Anthropic's models as two clouds offer them: their names are in the address, and one has other frames."""

import base64
import binascii
import json
import re
import struct
from typing import Any

from tests.model_server.anthropic import Anthropic
from tests.model_server.script import Failure, Recorded, Reply, Spoken

_VERTEX = re.compile(r".*/publishers/anthropic/models/([^/:]+):(rawPredict|streamRawPredict)")
_BEDROCK = re.compile(r"/model/([^/]+)/invoke(-with-response-stream)?")


_HEADERS = (
    (b":event-type", b"chunk"),
    (b":content-type", b"application/json"),
    (b":message-type", b"event"),
)


class Vertex(Anthropic):
    def speaks(self, request: Recorded) -> bool:
        return bool(_VERTEX.fullmatch(request.path))

    def aside(self, request: Recorded) -> Reply | None:
        del request

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply:
        match = _VERTEX.fullmatch(request.path)
        assert match is not None
        return super().reply(turn, _as_messages(request, match[1], stream="stream" in match[2]), number)


class Bedrock(Anthropic):
    def speaks(self, request: Recorded) -> bool:
        return bool(_BEDROCK.fullmatch(request.path))

    def aside(self, request: Recorded) -> Reply | None:
        del request

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply:
        match = _BEDROCK.fullmatch(request.path)
        assert match is not None
        reply = super().reply(turn, _as_messages(request, match[1], stream=bool(match[2])), number)
        if match[2] is None:
            return reply
        pieces = [event.split(b"data: ", 1)[1].strip() for event in reply.pieces]
        return Reply("application/vnd.amazon.eventstream", [frame(piece) for piece in pieces])

    def error(self, failure: Failure) -> dict[str, Any]:
        return {"message": failure.message}


def _as_messages(request: Recorded, model: str, *, stream: bool) -> Recorded:
    body = {**request.json, "model": model, "stream": stream}
    return Recorded(request.method, request.target, request.headers, json.dumps(body).encode())


def frame(piece: bytes) -> bytes:
    """One of Amazon's: sizes, their checksum, headers, the payload, and a checksum of it all."""
    payload = json.dumps({"bytes": base64.b64encode(piece).decode(), "p": "abc"}).encode()
    headers = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in _HEADERS
    )
    sizes = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    begun = sizes + struct.pack(">I", binascii.crc32(sizes)) + headers + payload
    return begun + struct.pack(">I", binascii.crc32(begun))
