"""OpenAI's Responses API, as Codex speaks it."""

import json
from collections.abc import Iterator
from typing import Any

from tests.model_server import openai
from tests.model_server.script import (
    Failure,
    Recorded,
    Reply,
    Spoken,
    Text,
    ToolUse,
    arguments,
    reply_json,
    thirds,
)

Event = tuple[str, dict[str, Any]]


class OpenAIResponses:
    def speaks(self, request: Recorded) -> bool:
        return request.path.endswith("/responses")

    def aside(self, request: Recorded) -> Reply | None:
        return self.reply(Text("ok", 1, 1), request, 0) if openai.is_title(request) else None

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply:
        whole = _response(turn, request.json["model"], number)
        if not request.json.get("stream"):
            return reply_json(whole)
        events = [_encode(kind, at, more) for at, (kind, more) in enumerate(_events(turn, whole))]
        return Reply("text/event-stream; charset=utf-8", events)

    def error(self, failure: Failure) -> dict[str, Any]:
        return openai.error(failure)


def _encode(kind: str, number: int, more: dict[str, Any]) -> bytes:
    event = {"type": kind, "sequence_number": number, **more}
    return f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()


def _response(turn: Spoken, model: str, number: int) -> dict[str, Any]:
    return {
        "id": f"resp_{number:04}",
        "object": "response",
        "created_at": openai.CREATED,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [_item(turn, number)],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "store": False,
        "usage": {
            "input_tokens": turn.input_tokens,
            "input_tokens_details": {"cached_tokens": turn.cached_tokens},
            "output_tokens": turn.output_tokens,
            "output_tokens_details": {"reasoning_tokens": turn.reasoning_tokens},
            "total_tokens": turn.input_tokens + turn.output_tokens,
        },
    }


def _item(turn: Spoken, number: int) -> dict[str, Any]:
    if isinstance(turn, Text):
        part = {"type": "output_text", "text": turn.text, "annotations": []}
        item = {"id": f"msg_{number:04}", "type": "message", "role": "assistant", "content": [part]}
    else:
        call = {"id": f"fc_{number:04}", "call_id": f"call_{number:04}", "name": turn.name}
        if isinstance(turn.input, str):
            item = {**call, "type": "custom_tool_call", "input": turn.input}
        else:
            item = {**call, "type": "function_call", "arguments": arguments(turn)}
    return {**item, "status": "completed"}


def _events(turn: Spoken, whole: dict[str, Any]) -> Iterator[Event]:
    item = whole["output"][0]
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": item["id"], "output_index": 0}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    yield from _text(turn, item, place) if isinstance(turn, Text) else _call(turn, item, place)
    yield "response.output_item.done", {"output_index": 0, "item": item}
    yield "response.completed", {"response": whole}


def _text(turn: Text, item: dict[str, Any], place: dict[str, Any]) -> Iterator[Event]:
    place = {**place, "content_index": 0}
    part = item["content"][0]
    yield (
        "response.output_item.added",
        {
            "output_index": 0,
            "item": {**item, "content": [], "status": "in_progress"},
        },
    )
    yield "response.content_part.added", {**place, "part": {**part, "text": ""}}
    for delta in thirds(turn.text):
        yield "response.output_text.delta", {**place, "delta": delta, "logprobs": []}
    yield "response.output_text.done", {**place, "text": turn.text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": part}


def _call(turn: ToolUse, item: dict[str, Any], place: dict[str, Any]) -> Iterator[Event]:
    field = "input" if isinstance(turn.input, str) else "arguments"
    kind = "custom_tool_call_input" if isinstance(turn.input, str) else "function_call_arguments"
    opened = {**item, field: "", "status": "in_progress"}
    yield "response.output_item.added", {"output_index": 0, "item": opened}
    for delta in thirds(arguments(turn)):
        yield f"response.{kind}.delta", {**place, "delta": delta}
    yield f"response.{kind}.done", {**place, field: arguments(turn)}
