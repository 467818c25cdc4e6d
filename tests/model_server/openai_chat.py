"""OpenAI's Chat Completions, as many servers speak it."""

import json
from typing import Any

from tests.model_server import openai
from tests.model_server.script import Failure, Recorded, Reply, Spoken, Text, arguments, reply_json, thirds


class OpenAIChat:
    def speaks(self, request: Recorded) -> bool:
        return request.path.endswith("/chat/completions") or "/models" in request.path

    def aside(self, request: Recorded) -> Reply | None:
        if request.method == "GET":
            return openai.models()
        return self.reply(Text("ok", 1, 1), request, 0) if openai.is_title(request) else None

    def reply(self, turn: Spoken, request: Recorded, number: int) -> Reply:
        asked = request.json
        whole = _completion(turn, asked["model"], number)
        if not asked.get("stream"):
            return reply_json(whole)
        with_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        return Reply("text/event-stream; charset=utf-8", _chunks(turn, whole, with_usage=with_usage))

    def error(self, failure: Failure) -> dict[str, Any]:
        return openai.error(failure)


def _completion(turn: Spoken, model: str, number: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if isinstance(turn, Text):
        message["content"] = turn.text
    else:
        function = {"name": turn.name, "arguments": arguments(turn)}
        message["tool_calls"] = [{"id": f"call_{number:04}", "type": "function", "function": function}]
    finish = "stop" if isinstance(turn, Text) else "tool_calls"
    return {
        "id": f"chatcmpl-{number:04}",
        "object": "chat.completion",
        "created": openai.CREATED,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {
            "prompt_tokens": turn.input_tokens,
            "completion_tokens": turn.output_tokens,
            "total_tokens": turn.input_tokens + turn.output_tokens,
            "prompt_tokens_details": {"cached_tokens": turn.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": turn.reasoning_tokens},
        },
    }


def _chunks(turn: Spoken, whole: dict[str, Any], *, with_usage: bool) -> list[bytes]:
    finish = whole["choices"][0]["finish_reason"]
    deltas: list[tuple[dict[str, Any], str | None]] = [
        *((delta, None) for delta in _deltas(turn, whole["choices"][0]["message"])),
        ({}, finish),
    ]
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    none = {"usage": None} if with_usage else {}
    events = [
        {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": ended}], **none}
        for delta, ended in deltas
    ]
    if with_usage:
        events.append({**head, "choices": [], "usage": whole["usage"]})
    return [*(f"data: {json.dumps(event)}\n\n".encode() for event in events), b"data: [DONE]\n\n"]


def _deltas(turn: Spoken, message: dict[str, Any]) -> list[dict[str, Any]]:
    if isinstance(turn, Text):
        return [{"role": "assistant", "content": ""}, *({"content": part} for part in thirds(turn.text))]
    call = message["tool_calls"][0]
    begun = {**call, "index": 0, "function": {"name": turn.name, "arguments": ""}}
    pieces = [{"index": 0, "function": {"arguments": part}} for part in thirds(arguments(turn))]
    return [{"role": "assistant", "content": None}, *({"tool_calls": [part]} for part in [begun, *pieces])]
