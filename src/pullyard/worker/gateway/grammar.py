"""What a request to the gateway may look like. Anything else is refused before it is understood."""

import re
from collections.abc import Mapping

import h11

from pullyard.worker.gateway.provider import Provider

BODY_LIMIT_BYTES = 32 << 20
"""The size that Anthropic's API takes."""
_TARGET = re.compile(rb"(/[A-Za-z0-9_/.:@-]{0,300})(?:\?([A-Za-z0-9_=&.-]{0,200}))?")
_ESCAPES = {b"%3a": b":", b"%40": b"@"}
"""Of what stands in the names of models; clients may escape it, and providers take it either way."""
_ESCAPED = re.compile(rb"%3a|%40", re.IGNORECASE)
_VALUE = re.compile(rb"[\x20-\x7e]{0,4096}")
_OWN_HOSTS = ("127.0.0.1", "localhost")


class Malformed(Exception):
    """A request that does not pass: ``status`` and the message are the answer.

    ``plain`` is for people and programs that ask for the world, and not for the model provider.
    """

    def __init__(self, status: int, message: str, *, plain: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.plain = plain


def split_target(request: h11.Request) -> tuple[str, str, Mapping[str, str]]:
    """Method, path and parameters, in plain ASCII without escapes. Raises Malformed."""
    target = _ESCAPED.sub(lambda match: _ESCAPES[match[0].lower()], request.target)
    match = _TARGET.fullmatch(target)
    if match is None or b"//" in match[1] or b".." in match[1]:
        raise Malformed(400, "The gateway takes plain paths only.")
    pairs = [pair.partition("=") for pair in (match[2] or b"").decode("ascii").split("&") if pair]
    query = {name: value for name, _, value in pairs}
    if len(query) != len(pairs):
        raise Malformed(400, "A parameter is given twice.")
    return request.method.decode("ascii"), match[1].decode("ascii"), query


def check_host(request: h11.Request, port: int) -> None:
    """Exactly the gateway's own address. Raises Malformed."""
    hosts = [value for name, value in request.headers if name == b"host"]
    if len(hosts) != 1 or hosts[0].decode("latin-1") not in [f"{host}:{port}" for host in _OWN_HOSTS]:
        raise Malformed(400, "The gateway answers for its own address only.")


def forwarded_headers(request: h11.Request, provider: Provider) -> list[tuple[str, str]]:
    """The few headers that the provider needs; never the client's authentication. Raises Malformed."""
    kept: dict[str, str] = {}
    for raw_name, value in request.headers:
        name = raw_name.decode("ascii")
        if name not in provider.request_headers and not name.startswith(provider.request_header_prefixes):
            continue
        if name in kept or not _VALUE.fullmatch(value):
            raise Malformed(400, f"The header {name} is given twice or holds odd characters.")
        kept[name] = value.decode("ascii")
    return list(kept.items())
