"""The first bytes that a client sends into a tunnel, held against the host that the tunnel is to.

On port 443 they begin TLS, and name that host. On other ports a client may speak what it likes, first or not
at all, but for HTTP in the open, whose ``Host`` could be another; where it is TLS, the name is looked at too.
"""

import asyncio
import re
import socket

from pullyard.protocol.hosts import read_host
from pullyard.worker.gateway.client_hello import (
    HELLO_BYTES,
    UNRECOGNISED_NAME,
    Hello,
    NoHello,
    read_hello,
)
from pullyard.worker.gateway.registries import PORT
from pullyard.worker.gateway.rules import Place, shown

_READ_BYTES = 16 << 10
_TLS = b"\x16"
_LINE_BYTES = 8 << 10
# As leniently as any server reads it (RFC 9112, 2.2 and 3): empty lines before it, odd blanks between words.
_BLANKS = b" \t\v\f\r"
_WORD = rb"[\r\n\t ]*[!#-'*+.^_`|~0-9A-Za-z-]"
_FIRST_WORD = re.compile(_WORD + rb"*")
_REQUEST = re.compile(
    _WORD + rb"+[%b](?:[^\n]*(?<=[%b])HTTP/|[%b]*https?:)" % (_BLANKS, _BLANKS, _BLANKS), re.IGNORECASE
)


class Misled(Exception):
    """The tunnel is not used for the host that it is to; ``wanted`` is the one it is used for, if any.

    ``answer`` is what its client gets, in words that it understands.
    """

    def __init__(self, message: str, wanted: str | None = None, answer: bytes = UNRECOGNISED_NAME) -> None:
        super().__init__(message)
        self.wanted = wanted
        self.answer = answer


async def read_opening(client: socket.socket, early: bytes, place: Place) -> bytes:
    """What may be passed on; ``early`` came with the request. Raises Misled, ConnectionError."""
    held = early
    while not is_fit(held, place):
        piece = await asyncio.get_running_loop().sock_recv(client, _READ_BYTES)
        if not piece and held.startswith(_TLS):
            raise ConnectionResetError("The client left while it began.")
        if not piece:
            return held
        held += piece
    return held


def is_fit(held: bytes, place: Place) -> bool:
    """False where more bytes are needed. Raises Misled."""
    if not held:
        return False
    try:
        hello = read_hello(held)
    except NoHello:
        if place[1] == PORT or held.startswith(_TLS):
            raise Misled(f"A tunnel to {shown(place)} was used for something else than TLS.") from None
        return is_no_request(held, place)
    if hello is None and len(held) > HELLO_BYTES:
        raise Misled(f"A tunnel to {shown(place)} was begun with too many bytes.")
    if hello is not None:
        check_name(hello, place)
    return hello is not None


def is_no_request(held: bytes, place: Place) -> bool:
    """False where more bytes are needed to tell. Raises Misled."""
    if _REQUEST.match(held):
        message = (
            f"A tunnel to {shown(place)} was used for plain HTTP, which could be for any host: let the "
            "program ask the proxy for http:// addresses itself, or use https://."
        )
        raise Misled(message, answer=_forbidden(message))
    rest = _FIRST_WORD.sub(b"", held, count=1)
    if b"\n" in rest or b"\0" in rest or (rest and rest[0] not in _BLANKS):
        return True
    if len(held) > _LINE_BYTES:
        raise Misled(f"A tunnel to {shown(place)} was begun with too long a line.")
    return False


def _forbidden(message: str) -> bytes:
    head = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    return f"{head}{message}\n".encode()


def check_name(hello: Hello, place: Place) -> None:
    """Raises Misled."""
    host = place[0]
    if hello.hidden:
        raise Misled(
            f"A tunnel to {shown(place)} was begun with an encrypted name (ECH), behind which any host may "
            "be: turn that off in the program."
        )
    # Some programs send no name that has no dot; nobody serves such a one to the world.
    if hello.name == host or (hello.name is None and "." not in host):
        return
    wanted = read_host(hello.name or "")
    named = wanted or ("no host" if hello.name is None else "what is no host's name")
    raise Misled(f"A tunnel to {shown(place)} was used for {named}.", wanted)
