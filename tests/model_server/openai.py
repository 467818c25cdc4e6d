"""What OpenAI's two APIs and the servers that speak them have in common."""

from typing import Any

from tests.model_server.script import Failure, Recorded, Reply, reply_json

MODELS = ("gpt-script", "gpt-5.1-codex", "gpt-4.1")
CREATED = 1_790_000_000


def models() -> Reply:
    listed = [{"id": name, "object": "model", "created": CREATED, "owned_by": "openai"} for name in MODELS]
    return reply_json({"object": "list", "data": listed})


def error(failure: Failure) -> dict[str, Any]:
    told = {"message": failure.message, "type": failure.kind, "param": None, "code": failure.kind}
    return {"error": told}


def is_title(request: Recorded) -> bool:
    """Agents let a model name a conversation, without tools."""
    return not request.json.get("tools") and b"title generator" in request.body
