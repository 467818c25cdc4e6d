"""What a request to the proxy asks for, read strictly: one spelling for each thing, no other."""

import re
from dataclasses import dataclass

import h11

from pullyard.protocol.hosts import read_place
from pullyard.worker.gateway.grammar import Malformed
from pullyard.worker.gateway.rules import CONNECT, HTTP_PORT, Place

TARGET_BYTES = 8192
HEADERS_BYTES = 32 << 10
MOST_HEADERS = 256
_VERSIONS = (b"1.0", b"1.1")
_ABSOLUTE = re.compile(rb"http://([^/?#]{1,300})(/[!-~]*)?")
_UNSAFE = re.compile(rb'[\\#"<>^`{|}]')


@dataclass(frozen=True)
class Target:
    method: str
    place: Place
    path: str | None
    """With its query; None for a tunnel."""


def is_for_proxy(request: h11.Request) -> bool:
    """Requests in origin form are for the model provider's gateway, on the same port."""
    return request.method == b"CONNECT" or not request.target.startswith(b"/")


def read_target(request: h11.Request) -> Target:
    """Raises Malformed."""
    if len(request.target) > TARGET_BYTES:
        raise Malformed(414, f"An address has at most {TARGET_BYTES} bytes.", plain=True)
    if request.http_version not in _VERSIONS:
        raise Malformed(505, "The proxy takes HTTP/1.1.", plain=True)
    method = request.method.decode("ascii")
    if method == CONNECT:
        target = Target(method, _place(request.target, None), None)
    else:
        target = _read_absolute(request.target, method)
    _check_headers(request, target)
    return target


def _read_absolute(raw: bytes, method: str) -> Target:
    match = _ABSOLUTE.fullmatch(raw)
    if match is None or _UNSAFE.search(raw):
        raise Malformed(400, "The proxy takes http://host/path, and CONNECT host:port for https.", plain=True)
    return Target(method, _place(match[1], HTTP_PORT), (match[2] or b"/").decode("ascii"))


def _place(raw: bytes, default_port: int | None) -> Place:
    place = read_place(raw.decode("latin-1"), default_port)
    if place is None:
        raise Malformed(
            400, "The proxy takes a host's name and a port: no address, account or final dot.", plain=True
        )
    return place


def _check_headers(request: h11.Request, target: Target) -> None:
    """A second name that says something else is how requests are smuggled past a list."""
    default = target.place[1] if target.path is None else HTTP_PORT
    if len(request.headers) > MOST_HEADERS:
        raise Malformed(431, f"A request has at most {MOST_HEADERS} headers.", plain=True)
    if sum(len(name) + len(value) for name, value in request.headers) > HEADERS_BYTES:
        raise Malformed(431, f"A request's headers have at most {HEADERS_BYTES} bytes.", plain=True)
    _check_framing(request, target)
    for name, value in request.headers:
        if name == b"host" and read_place(value.decode("latin-1"), default) != target.place:
            raise Malformed(400, "The Host header names another place than the request does.", plain=True)


def _check_framing(request: h11.Request, target: Target) -> None:
    framing = {name for name, _ in request.headers} & {b"content-length", b"transfer-encoding"}
    if target.path is None and framing:
        raise Malformed(400, "A tunnel's request has no body.", plain=True)
    if len(framing) > 1:
        raise Malformed(400, "A request has one length: a number, or chunks.", plain=True)
