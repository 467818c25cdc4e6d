"""The host's name that a TLS client asks for, read strictly from the first bytes that it sends (RFC 8446).

A tunnel is to a listed host, but a network that serves many hosts at one address goes by this name. So it has
to be the listed one, in the open: a client that encrypts it (ECH) could ask for any other host behind it.
"""

from dataclasses import dataclass

HELLO_BYTES = 32 << 10
"""More than any client sends, keys against quantum computers among it."""
UNRECOGNISED_NAME = b"\x15\x03\x01\x00\x02\x02\x70"
"""The fatal alert, which clients show by this name."""

_HANDSHAKE, _CLIENT_HELLO, _RECORD_BYTES = 22, 1, 1 << 14
_MOST_RECORDS = 16
_SERVER_NAME, _HOST_NAME = 0, 0
_HIDING = frozenset({0xFE0D, 0xFFCE})
"""Encrypted ClientHello, and its forerunner."""


class NoHello(Exception):
    """These bytes do not begin a TLS connection."""


@dataclass(frozen=True)
class Hello:
    name: str | None
    """As it was sent, but for the case; None where the client asks for no host."""
    hidden: bool
    """Whether the client may ask for another host where nobody sees it."""


def read_hello(data: bytes) -> Hello | None:
    """None where more bytes are needed. Raises NoHello."""
    message, rest = b"", _Reader(data)
    for _ in range(_MOST_RECORDS):
        if not rest.begins(_HANDSHAKE, 3):
            raise NoHello
        if rest.left < 5:
            return None
        rest.take(3)
        size = rest.number(2)
        if not 0 < size <= _RECORD_BYTES:
            raise NoHello
        whole = rest.left >= size
        message += rest.take(min(size, rest.left))
        wanted = 4 + int.from_bytes(message[1:4])
        if message[:1] not in (b"", bytes([_CLIENT_HELLO])) or wanted > HELLO_BYTES:
            raise NoHello
        if not whole:
            return None
        if len(message) >= max(wanted, 4):
            return _understand(message, wanted)
    raise NoHello


def _understand(message: bytes, size: int) -> Hello:
    if len(message) != size:
        raise NoHello
    body = _Reader(message[4:])
    body.take(2 + 32)
    for width in (1, 2, 1):
        # The session, the ciphers and the compressions.
        body.vector(width)
    extensions = body.vector(2) if body.left else _Reader(b"")
    if body.left:
        raise NoHello
    found: dict[int, _Reader] = {}
    while extensions.left:
        kind = extensions.number(2)
        if kind in found:
            raise NoHello
        found[kind] = extensions.vector(2)
    name = _server_name(found[_SERVER_NAME]) if _SERVER_NAME in found else None
    return Hello(name, hidden=not _HIDING.isdisjoint(found))


def _server_name(extension: "_Reader") -> str:
    names = extension.vector(2)
    kind, name = names.number(1), names.vector(2)
    if kind != _HOST_NAME or names.left or extension.left:
        raise NoHello
    return name.take(name.left).decode("latin-1").lower()


class _Reader:
    """Raises NoHello where there is less than is asked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def begins(self, *numbers: int) -> bool:
        """Whether that follows, as far as there is anything."""
        return self._data[self._at :].startswith(bytes(numbers)[: self.left])

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise NoHello
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> "_Reader":
        return _Reader(self.take(self.number(width)))
