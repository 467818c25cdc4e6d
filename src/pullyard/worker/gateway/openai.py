"""OpenAI's API, and the servers that speak it: Chat Completions and Responses."""

import re
from typing import Any

from pullyard.worker.gateway import openai_chat, openai_responses
from pullyard.worker.gateway.provider import ANSWER_HEADERS, Provider, Route, no_body

_MODEL = "[A-Za-z0-9][A-Za-z0-9_.:@/-]{0,150}"
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def _error(status: int, message: str) -> dict[str, Any]:
    kind = _ERRORS.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


OPENAI = Provider(
    name="openai",
    base_url="https://api.openai.com/v1",
    key_variable="PULLYARD_WORKER_OPENAI_API_KEY",
    routes=[
        Route("POST", re.compile("/v1(?P<path>/chat/completions)"), openai_chat.read),
        Route("POST", re.compile("/v1(?P<path>/responses)"), openai_responses.read),
        Route("GET", re.compile(f"/v1(?P<path>/models(/{_MODEL})?)"), no_body),
    ],
    key_header=lambda key: ("authorization", f"Bearer {key}"),
    error=_error,
    response_headers=ANSWER_HEADERS | {"x-request-id", "openai-processing-ms", "openai-version"},
    response_header_prefixes=("x-ratelimit-", "retry-after-"),
)
"""Its address ends in the version, as its clients have it: agents find it at ``/v1``."""
