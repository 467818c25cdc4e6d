"""One row per model provider: what of its API may pass, and how its bytes are read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from pullyard.worker.gateway import anthropic
from pullyard.worker.gateway.prices import Tokens


class Meter(Protocol):
    model: str

    def feed(self, data: bytes) -> None: ...

    def tokens(self) -> Tokens: ...


class OpenMeter(Protocol):
    def __call__(self, *, streamed: bool) -> Meter:
        """``streamed`` says whether the answer is a stream of events."""
        ...


@dataclass(frozen=True)
class Metered:
    """A request that was read and may pass."""

    model: str
    most: Tokens
    open_meter: OpenMeter


class Refused(Exception):
    """The request may not pass; the message says why."""


@dataclass(frozen=True)
class Provider:
    name: str
    base_url: str
    key_variable: str
    """Where a worker's key comes from, for messages."""
    routes: Mapping[tuple[str, str], Callable[[bytes], Metered | None]]
    """Method and exact path of what may pass, with what reads the body: it raises Refused.

    None means that the request costs nothing.
    """
    request_headers: frozenset[str]
    request_header_prefixes: tuple[str, ...]
    response_headers: frozenset[str]
    response_header_prefixes: tuple[str, ...]
    key_header: Callable[[str], tuple[str, str]]
    error: Callable[[int, str], dict[str, Any]]
    """An error in the provider's own shape, from a status and a sentence."""


def _check_anthropic(body: bytes) -> anthropic.Request:
    request = anthropic.read_request(body)
    if request is None:
        raise Refused("The body is not a request of the Messages API.")
    reason = anthropic.refusal(request)
    if reason:
        raise Refused(reason)
    return request


def meter_anthropic(body: bytes) -> Metered:
    request = _check_anthropic(body)
    return Metered(
        model=request.model,
        most=anthropic.most_tokens(request, len(body)),
        open_meter=lambda *, streamed: anthropic.Meter(request.model, len(body), streamed=streamed),
    )


def count_anthropic(body: bytes) -> None:
    # Free of charge, yet the provider would fetch what it names all the same.
    _check_anthropic(body)


def _no_body(body: bytes) -> None:
    if body:
        raise Refused("This request takes no body.")


_ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def _anthropic_error(status: int, message: str) -> dict[str, Any]:
    kind = _ANTHROPIC_ERRORS.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}}


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(
        name="anthropic",
        base_url="https://api.anthropic.com",
        key_variable="PULLYARD_WORKER_ANTHROPIC_API_KEY",
        routes={
            ("POST", "/v1/messages"): meter_anthropic,
            ("POST", "/v1/messages/count_tokens"): count_anthropic,
            ("GET", "/v1/models"): _no_body,
        },
        request_headers=frozenset(
            {"accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta", "x-app"}
        ),
        request_header_prefixes=("x-stainless-",),
        response_headers=frozenset(
            {
                *("content-type", "content-length", "content-encoding", "cache-control"),
                *("request-id", "retry-after", "x-should-retry"),
            }
        ),
        response_header_prefixes=("anthropic-ratelimit-", "retry-after-"),
        key_header=lambda key: ("x-api-key", key),
        error=_anthropic_error,
    ),
}


def encode_error(provider: Provider, status: int, message: str) -> bytes:
    return msgspec.json.encode(provider.error(status, message))
