"""Gemini's API, with and without server-sent events."""

import json
import re
from typing import Any

from tests.model_server.script import Failure, Recorded, Reply, Spoken, Text, ToolUse, reply_json, thirds

MODELS = ("gemini-script", "gemini-2.5-pro", "gemini-2.5-flash")
_PATH = re.compile(r".*/models/([^/:]+):(\w+)")
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class Gemini:
    def speaks(self, request: Recorded) -> bool:
        listing = request.method == "GET" and request.path.startswith("/v1beta/models")
        return listing or bool(_PATH.fullmatch(request.path))

    def aside(self, request: Recorded) -> Reply | None:
        if request.method == "GET":
            return reply_json({"models": [{"name": f"models/{name}"} for name in MODELS]})
        if request.path.endswith(":countTokens"):
            return reply_json({"totalTokens": 7})
        asked = request.json.get("generationConfig") or {}
        schema = asked.get("responseJsonSchema") or asked.get("responseSchema")
        if schema is None:
            return None
        return self.reply(Text(json.dumps(instance(schema)), 1, 1), request, 0)

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply:
        match = _PATH.fullmatch(request.path)
        assert match is not None
        pieces = [_chunk(turn, match[1], number, text) for text in _texts(turn)]
        pieces[-1] |= {"usageMetadata": _usage(turn)}
        pieces[-1]["candidates"][0]["finishReason"] = "STOP"
        if match[2] == "generateContent":
            whole = _chunk(turn, match[1], number, turn.text if isinstance(turn, Text) else "")
            whole["candidates"][0]["finishReason"] = "STOP"
            return reply_json({**whole, "usageMetadata": _usage(turn)})
        if "alt=sse" in request.target:
            events = [f"data: {json.dumps(piece)}\r\n\r\n".encode() for piece in pieces]
            return Reply("text/event-stream", events)
        listed = [
            ("," if at else "[").encode() + json.dumps(piece, indent=1).encode() + b"\n"
            for at, piece in enumerate(pieces)
        ]
        return Reply("application/json; charset=UTF-8", [*listed, b"]"])

    def error(self, failure: Failure) -> dict[str, Any]:
        status = _STATUSES.get(failure.status, "INTERNAL")
        return {"error": {"code": failure.status, "message": failure.message, "status": status}}


def _texts(turn: Spoken) -> list[str]:
    return [""] if isinstance(turn, ToolUse) else thirds(turn.text)


def _chunk(turn: Spoken, model: str, number: int, text: str) -> dict[str, Any]:
    part: dict[str, Any] = {"text": text}
    if isinstance(turn, ToolUse):
        part = {"functionCall": {"id": f"call_{number:04}", "name": turn.name, "args": turn.input}}
    return {
        "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": turn.input_tokens, "totalTokenCount": turn.input_tokens},
        "modelVersion": model,
        "responseId": f"answer_{number:04}",
    }


def _usage(turn: Spoken) -> dict[str, int]:
    usage = {
        "promptTokenCount": turn.input_tokens,
        "candidatesTokenCount": turn.output_tokens - turn.reasoning_tokens,
        "totalTokenCount": turn.input_tokens + turn.output_tokens,
    }
    if turn.cached_tokens:
        usage["cachedContentTokenCount"] = turn.cached_tokens
    if turn.reasoning_tokens:
        usage["thoughtsTokenCount"] = turn.reasoning_tokens
    return usage


def instance(schema: dict[str, Any]) -> Any:
    """The least that fits a schema: agents ask small models for choices in JSON."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = str(schema.get("type", "object")).lower()
    if kind == "object":
        return {name: instance(one) for name, one in schema.get("properties", {}).items()}
    return {"array": [], "string": "ok", "boolean": False}.get(kind, 0)
