"""What the gateway must know of a model provider: what of its API may pass, and how its bytes are counted."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from pullyard.worker.gateway.prices import Tokens

MOST_OUTPUT_TOKENS = 128 << 10
"""Of an answer whose request sets no limit: what the largest models can write."""
MOST_COMMAS, MOST_BRACES = 500_000, 200_000
"""Of a request, about as many as it has parts and objects: each takes time and memory while it is read."""
MODEL = r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,150}"
ANSWER_HEADERS = frozenset(
    {"content-type", "content-length", "content-encoding", "cache-control", "retry-after", "x-should-retry"}
)


class Refused(Exception):
    """The request may not pass; the message says why."""


@dataclass(frozen=True)
class Asked:
    """One request as it came, its path in plain ASCII, and the names that the route found in there."""

    path: str
    query: Mapping[str, str]
    body: bytes
    named: Mapping[str, str]


class Meter(Protocol):
    """Counts one answer from its bytes, fed cut anywhere, hostile or broken off: never raises."""

    @property
    def model(self) -> str: ...

    def feed(self, data: bytes) -> None: ...

    def tokens(self, unheard: Tokens | None = None) -> Tokens:
        """Call it once, at the end of the answer. What the answer did not tell is an estimate.

        ``unheard`` is the most that may have been used, where the answer was not heard to its end.
        """
        ...

    @property
    def failed(self) -> int | None:
        """The status of an error that came within a successful answer."""
        ...


class Trim(Protocol):
    """Takes out of one stream what the gateway alone asked for; all else comes out as it went in."""

    def feed(self, data: bytes) -> bytes: ...

    def end(self) -> bytes: ...


@dataclass(frozen=True)
class Metered:
    """What a request may cost, and how its answer is counted."""

    model: str
    most: Tokens
    open_meter: Callable[[str], Meter]
    """Given the answer's content type."""
    prices: str
    """The list of prices: a provider's name."""
    open_trim: Callable[[], Trim] | None = None


@dataclass(frozen=True)
class Passed:
    """A request that was read and may pass, as it goes on. ``metered`` None costs nothing."""

    path: str
    body: bytes
    metered: Metered | None = None
    unasked: "Callable[[], Passed] | None" = None
    """The same without the wish for tokens, for a server that does not know it; None where there is none."""


@dataclass(frozen=True)
class Route:
    """``path`` must match as a whole. ``read`` raises Refused."""

    method: str
    path: re.Pattern[str]
    read: Callable[[Asked], Passed]


@dataclass(frozen=True)
class Provider:
    name: str
    base_url: str | None
    """Its own address; None where the worker's owner has to name one."""
    key_variable: str
    """Where a worker's key comes from, for messages."""
    routes: Sequence[Route]
    key_header: Callable[[str], tuple[str, str]]
    error: Callable[[int, str], dict[str, Any]]
    """An error in the provider's own shape, from a status and a sentence."""
    query: frozenset[str] = frozenset()
    """Names of parameters that pass."""
    dropped_query: frozenset[str] = frozenset()
    """The client's authentication, where it stands in the address."""
    request_headers: frozenset[str] = field(
        default=frozenset({"accept", "content-type", "user-agent"}), kw_only=True
    )
    request_header_prefixes: tuple[str, ...] = field(default=("x-stainless-",), kw_only=True)
    response_headers: frozenset[str] = field(default=ANSWER_HEADERS, kw_only=True)
    response_header_prefixes: tuple[str, ...] = field(default=("retry-after-",), kw_only=True)

    def read(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Passed | None:
        """None for a route that does not pass. Raises Refused."""
        if body.count(b",") > MOST_COMMAS or body.count(b"{") > MOST_BRACES:
            raise Refused("The request has more parts than the gateway reads.")
        if not is_text(body):
            raise Refused("The body is not text in UTF-8.")
        check_once(body)
        for route in self.routes:
            if route.method == method and (match := route.path.fullmatch(path)):
                kept = {name: value for name, value in query.items() if name not in self.dropped_query}
                if unknown := next((name for name in kept if name not in self.query), None):
                    raise Refused(f"The gateway does not pass the parameter {unknown}.")
                return route.read(Asked(path, kept, body, match.groupdict()))
        return None


def check_once(body: bytes) -> None:
    """Of two values with one name a server may take the other one than the gateway. Raises Refused.

    What is no JSON at all is left to the route.
    """
    if not body:
        return
    try:
        json.loads(body, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise Refused("The request has more levels than the gateway reads.") from error
    except ValueError:
        return


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise Refused("The gateway does not pass a request with two fields of one name.")


def is_text(body: bytes) -> bool:
    """What is skipped here is not looked at, and what is no text may be read in several ways elsewhere."""
    try:
        return body.isascii() or bool(body.decode())
    except UnicodeDecodeError:
        return False


def no_body(asked: Asked) -> Passed:
    """Reads of what there is, such as the list of models."""
    if asked.body:
        raise Refused("This request takes no body.")
    return Passed(asked.named.get("path", asked.path), b"")


def encode_error(provider: Provider, status: int, message: str) -> bytes:
    return msgspec.json.encode(provider.error(status, message))
