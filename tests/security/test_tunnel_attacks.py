"""What a tunnel to a listed host is misused for: another host by its name inside TLS, or no TLS at all."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from pullyard.protocol.isolation import HostRule
from pullyard.worker.gateway.client_hello import HELLO_BYTES, UNRECOGNISED_NAME
from pullyard.worker.gateway.opening import Misled, is_fit
from pullyard.worker.gateway.serve import Gateway
from tests.egress import HOST, egress_at, opened

EVIL = "evil.example"
PATIENCE_SECONDS = 60
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def hello_to(name: str) -> bytes:
    """As a real program begins."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def vector(width: int, content: bytes) -> bytes:
    return len(content).to_bytes(width) + content


def names(*texts: bytes, kind: int = 0) -> bytes:
    """The extension that names a host."""
    listed = b"".join(bytes([kind]) + vector(2, text) for text in texts)
    return struct.pack(">H", 0) + vector(2, vector(2, listed))


def crafted(*extensions: bytes, more: bytes = b"", pieces: int = 1) -> bytes:
    """A hello with these alone, in so many records."""
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, b"\x13\x01") + vector(1, b"\0")
    message = b"\x01" + vector(3, body + vector(2, b"".join(extensions)) + more)
    size = -(-len(message) // pieces)
    cut = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, piece) for piece in cut)


@asynccontextmanager
async def echo(*, greeting: bytes = b"") -> AsyncIterator[tuple[int, bytearray]]:
    """A host that keeps and returns what it gets; its port."""
    got = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while piece := await reader.read(1 << 16):
            got.extend(piece)
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], got


Opened = tuple[Gateway, list[str], asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def tunnel(
    port: int,
) -> AsyncIterator[tuple[Gateway, list[str], asyncio.StreamReader, asyncio.StreamWriter]]:
    async with egress_at(HostRule(host=HOST, port=port), dialer=opened(port)) as (gateway, told):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(f"CONNECT {HOST}:{port} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        try:
            # What passes is echoed, and then its end would be waited for.
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert await reader.readexactly(len(ESTABLISHED)) == ESTABLISHED
                yield gateway, told, reader, writer
        finally:
            writer.close()


@pytest.mark.attack("egress: another host inside a tunnel")
async def test_tls_to_another_host_ends_before_a_byte_has_left() -> None:
    async with echo() as (port, got), tunnel(port) as (gateway, told, reader, writer):
        writer.write(hello_to(EVIL))
        assert await reader.read() == UNRECOGNISED_NAME
        assert gateway.egress
        count = gateway.egress.counts.hosts[f"{HOST}:{port}"]
    assert got == b""
    assert (count.requests, count.refused, count.sent_bytes) == (0, 1, 0)
    assert len(told) == 1
    assert f"pullyard project edit shop --allow-host {EVIL}:{port}" in told[0]


BAD = [
    hello_to(f"{HOST}.{EVIL}"),
    crafted(),
    crafted(names(EVIL.encode())),
    crafted(names(HOST.encode(), EVIL.encode())),
    crafted(names(EVIL.encode()), names(HOST.encode())),
    crafted(names(HOST.encode()), names(EVIL.encode())),
    crafted(names(HOST.encode() + b"\0." + EVIL.encode())),
    crafted(names(EVIL.encode() + b"\0." + HOST.encode())),
    crafted(names(HOST.encode() + b".")),
    crafted(names(b"127.0.0.1")),
    crafted(names(b"")),
    crafted(names(HOST.encode(), kind=1)),
    crafted(names(HOST.encode())[:-2]),
    crafted(names(HOST.encode()), more=b"x"),
    crafted(names(EVIL.encode()), pieces=4),
    # Encrypted names, behind a listed one in the open.
    crafted(names(HOST.encode()), b"\xfe\x0d" + vector(2, b"\0" * 8)),
    crafted(names(HOST.encode()), b"\xff\xce" + vector(2, b"\0" * 8)),
    # Too much, in one piece or in many.
    b"\x16\x03\x01" + vector(2, b"\x01\xff\xff\xff" + bytes(1000)),
    b"\x16\x03\x01\x00\x01\x01" * 40,
    crafted(names(HOST.encode()), b"\x00\x15" + vector(2, bytes(HELLO_BYTES))),
    b"\x16\x02\x01" + vector(2, bytes(100)),
    b"\x16\x03\x01\x00\x00",
    b"\x16GET / HTTP/1.1\r\n\r\n",
]


@pytest.mark.attack("egress: another host inside a tunnel")
@pytest.mark.parametrize("opening", BAD, ids=range(len(BAD)))
async def test_no_other_hello_leaves(opening: bytes) -> None:
    async with echo() as (port, got), tunnel(port) as (_, told, reader, writer):
        writer.write(opening)
        # What is not read to its end resets the connection.
        with suppress(ConnectionResetError):
            assert await reader.read() == UNRECOGNISED_NAME
    assert (got, len(told)) == (b"", 1)


@pytest.mark.parametrize(
    "opening",
    [
        hello_to(HOST),
        hello_to(HOST.upper()),
        crafted(names(HOST.encode())),
        crafted(names(HOST.encode()), pieces=5) + b"\x17\x03\x03\x00\x01e",
    ],
    ids=["real", "upper", "crafted", "pieces"],
)
async def test_tls_to_the_host_passes_however_it_is_cut(opening: bytes) -> None:
    async with echo() as (port, got), tunnel(port) as (gateway, told, reader, writer):
        for byte in opening:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readexactly(len(opening)) == opening
        assert gateway.egress
        assert gateway.egress.counts.hosts[f"{HOST}:{port}"].sent_bytes == len(opening)
    assert (got, told) == (opening, [])


async def test_on_another_port_the_host_may_speak_first_and_without_tls() -> None:
    async with echo(greeting=b"SSH-2.0-x\r\n") as (port, got), tunnel(port) as (_, told, reader, writer):
        assert await reader.readline() == b"SSH-2.0-x\r\n"
        writer.write(b"SSH-2.0-y\r\n")
        assert await reader.readline() == b"SSH-2.0-y\r\n"
    assert (got, told) == (b"SSH-2.0-y\r\n", [])


@pytest.mark.attack("egress: another host inside a tunnel")
@pytest.mark.parametrize("opening", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\0", b"\x80\x2e\x01\x03\x01"])
def test_on_port_443_nothing_but_tls_leaves(opening: bytes) -> None:
    with pytest.raises(Misled, match="something else than TLS"):
        is_fit(opening, (HOST, 443))


REQUESTS = [
    f"GET / HTTP/1.1\r\nHost: {EVIL}\r\n\r\n",
    f"\r\n \nBREW  /\tHttp/1.0\nHost: {EVIL}\n\n",
    f"GET\r/\v\fHTTP/1.1\r\nHost: {EVIL}\r\n\r\n",
    f"GET http://{EVIL}/\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.attack("egress: another host inside a tunnel")
@pytest.mark.parametrize("request_", REQUESTS, ids=["plain", "odd", "blanks", "short", "http2"])
async def test_on_another_port_plain_http_does_not_leave_however_it_is_cut(request_: str) -> None:
    async with echo() as (port, got), tunnel(port) as (gateway, told, reader, writer):
        with suppress(ConnectionResetError):
            for byte in request_.encode():
                writer.write(bytes([byte]))
                await writer.drain()
            assert (await reader.readline()) == b"HTTP/1.1 403 Forbidden\r\n"
            assert b"ask the proxy for http:// addresses itself" in await reader.read()
        assert gateway.egress
        count = gateway.egress.counts.hosts[f"{HOST}:{port}"]
    assert (got, count.requests, count.refused) == (b"", 0, 1)
    assert [f"A tunnel to {HOST}:{port} was used for plain HTTP" in text for text in told] == [True]


OTHER_WORDS = [
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    b"EHLO client.example\r\n",
    b"PING\r\n",
    b"0033git-upload-pack /a.git\0host=files.example\0",
    b"\0\0\0\x08\x04\xd2\x16/",
    b"*1\r\n$4\r\nPING\r\n",
]


@pytest.mark.parametrize("opening", OTHER_WORDS)
async def test_other_protocols_are_not_held_back(opening: bytes) -> None:
    async with echo() as (port, _), tunnel(port) as (_, told, reader, writer):
        writer.write(opening)
        assert await reader.readexactly(len(opening)) == opening
    assert told == []


def test_a_line_without_end_is_not_waited_for() -> None:
    assert not is_fit(b"GET /", (HOST, 8080))
    with pytest.raises(Misled, match="too long a line"):
        is_fit(b"GET /" + b"a" * HELLO_BYTES, (HOST, 8080))


async def test_a_client_that_begins_and_leaves_sends_nothing_on() -> None:
    async with echo() as (port, got), tunnel(port) as (_, _, reader, writer):
        writer.write(hello_to(HOST)[:40])
        writer.write_eof()
        assert await reader.read() == b""
    assert got == b""


async def test_half_a_tunnel_may_be_closed_by_either_side() -> None:
    said = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first")
        writer.write_eof()
        assert await reader.read() == b"after the host's end"
        said.set()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server, tunnel(server.sockets[0].getsockname()[1]) as (_, _, reader, writer):
        assert await reader.read() == b"first"
        writer.write(b"after the host's end")
        writer.write_eof()
        await said.wait()
