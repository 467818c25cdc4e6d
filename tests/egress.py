"""A sandbox's way out, to servers of the test: the proxy on a port, and hosts that count who comes."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

from pullyard.protocol.isolation import HostRule, NetworkPolicy
from pullyard.protocol.public_addresses import read_private_place
from pullyard.worker.gateway.egress import Egress
from pullyard.worker.gateway.pinned import Dialer
from pullyard.worker.gateway.rules import allowed
from pullyard.worker.gateway.serve import Gateway
from tests.tcp import answer_to

HOST = "files.example"
"""Allowed, and known to the owner's setting as an address of this machine."""


@dataclass
class Host:
    """A web server that keeps the requests it got, and answers each with their number and its body."""

    answer: bytes = b"hello from outside"
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    tls: ssl.SSLContext | None = None
    requests: list[h11.Request] = field(default_factory=list[h11.Request])
    bodies: list[bytes] = field(default_factory=list[bytes])
    connections: int = 0

    async def __aenter__(self) -> "Host":
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = h11.Connection(h11.SERVER)
        body = b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                self.requests.append(event)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                break
        if isinstance(event, h11.EndOfMessage):
            self.bodies.append(body)
            length = ("content-length", str(len(self.answer)))
            response = h11.Response(status_code=self.status, headers=[length, *self.headers])
            writer.write(connection.send(response) or b"")
            writer.write(self.answer if self.requests[-1].method != b"HEAD" else b"")
        writer.close()


@asynccontextmanager
async def egress_at(
    *rules: HostRule, dialer: Dialer | None = None, registries: bool = False
) -> AsyncIterator[tuple[Gateway, list[str]]]:
    """The proxy, listening on this machine, and what it tells the log."""
    told: list[str] = []
    policy = NetworkPolicy(registries=registries, hosts=list(rules))
    egress = Egress(allowed(policy, project="shop"), dialer or Dialer(), tell=told.append)
    listener = socket.create_server(("127.0.0.1", 0)).detach()
    async with Gateway(listener, egress=egress) as gateway:
        yield gateway, told


def opened(port: int, *names: str) -> Dialer:
    """As an owner opens one port of this machine, under names of the owner's own."""
    known = {name: ("127.0.0.1",) for name in names or (HOST,)}
    return Dialer(private=[read_private_place(f"127.0.0.1:{port}")], known=known)


async def ask(port: int, raw: bytes) -> bytes:
    """Everything that the proxy answers to these bytes, until it closes; the client says no more."""
    return await answer_to(raw, port, ends=True)
