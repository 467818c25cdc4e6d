"""Anthropic's Messages API."""

import json
from typing import Any

from tests.model_server.script import Failure, Recorded, Reply, Spoken, Text, reply_json


class Anthropic:
    def speaks(self, request: Recorded) -> bool:
        return request.path.startswith("/v1/messages") or (
            request.path == "/v1/models" and "anthropic-version" in request.headers
        )

    def aside(self, request: Recorded) -> Reply | None:
        if request.path == "/v1/models":
            return reply_json({"data": [], "has_more": False})
        if request.path == "/v1/messages/count_tokens":
            return reply_json({"input_tokens": 7})
        body = request.json
        if not body.get("stream") or body.get("tools") or "script" in body["model"]:
            return None
        return self.reply(Text("ok", 1, 1), request, 0)

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply:
        message = _message(turn, request.json["model"], number)
        if request.json.get("stream"):
            return Reply("text/event-stream", stream_events(message))
        return reply_json(message)

    def error(self, failure: Failure) -> dict[str, Any]:
        return {"type": "error", "error": {"type": failure.kind, "message": failure.message}}


def _message(turn: Spoken, model: str, number: int) -> dict[str, Any]:
    if isinstance(turn, Text):
        block: dict[str, Any] = {"type": "text", "text": turn.text}
    else:
        block = {"type": "tool_use", "id": f"toolu_{number:04}", "name": turn.name, "input": turn.input}
    usage = {"input_tokens": turn.input_tokens - turn.cached_tokens, "output_tokens": turn.output_tokens}
    if turn.cached_tokens:
        usage["cache_read_input_tokens"] = turn.cached_tokens
    return {
        "id": f"msg_{number:04}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block],
        "stop_reason": "end_turn" if isinstance(turn, Text) else "tool_use",
        "stop_sequence": None,
        "usage": usage,
    }


def stream_events(message: dict[str, Any]) -> list[bytes]:
    """The server-sent events that carry one message, each as it is on the wire."""
    block = message["content"][0]
    start = {**message, "content": [], "stop_reason": None}
    start["usage"] = {**message["usage"], "output_tokens": 1}
    if block["type"] == "text":
        opened, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        opened = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": opened},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": message["usage"]["output_tokens"]},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]
