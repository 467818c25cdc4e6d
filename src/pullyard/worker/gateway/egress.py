"""The way out of a sandbox to the world: a proxy for HTTP, and CONNECT for everything with TLS.

A request passes where the rules name its host; it goes to an address that was checked, and is counted.
Redirects are the client's to follow: what they lead to is asked for, and checked, like everything else.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import h11
import structlog

from pullyard.worker.gateway.counts import Counts, HostCount
from pullyard.worker.gateway.grammar import Malformed
from pullyard.worker.gateway.opening import Misled, read_opening
from pullyard.worker.gateway.pinned import Dialer, Unreachable
from pullyard.worker.gateway.plain_http import Forward
from pullyard.worker.gateway.rules import CONNECT, Place, Rules
from pullyard.worker.gateway.streams import own_socket, stop_reading
from pullyard.worker.gateway.targets import Target, read_target
from pullyard.worker.gateway.tunnel import Tunnel

MOST_TOLD = 100
"""Refused hosts that the log names, so that a hostile command can't fill it."""
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"

logger = structlog.get_logger(__name__)


@dataclass
class Client:
    """One connection of a program in the sandbox."""

    connection: h11.Connection
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass
class Egress:
    """One of an execution; its commands' gateways share it."""

    rules: Rules
    dialer: Dialer
    counts: Counts = field(default_factory=Counts)
    tell: Callable[[str], None] = lambda _: None
    """Called once for each host that was refused, with a sentence for the log."""
    _told: set[Place] = field(default_factory=set[Place])

    async def handle(self, request: h11.Request, client: Client) -> None:
        """Answers it. Raises Malformed, which is the answer, and ConnectionError, TimeoutError."""
        target = read_target(request)
        count = self.counts.of(target.place)
        refusal = self.rules.refuse(target.method, target.place, target.path)
        if refusal is not None:
            raise self._refused(target, count, 403, refusal.message)
        try:
            remote = await self.dialer.connect(target.place)
        except Unreachable as error:
            raise self._refused(target, count, error.status, str(error)) from error
        count.requests += 1
        with remote:
            try:
                if target.path is None:
                    await self._tunnel(remote, target.place, client, count)
                else:
                    await self._forward(remote, request, target, client, count)
            except OSError as error:
                # A socket may also fail with less common words than those of a lost connection.
                raise ConnectionResetError(str(error)) from error

    def _refused(self, target: Target, count: HostCount, status: int, message: str) -> Malformed:
        self._note(target.place, count, message)
        logger.info("network.refused", host=target.place[0], port=target.place[1], status=status)
        return Malformed(status, message, plain=True)

    def _note(self, place: Place, count: HostCount, message: str) -> None:
        count.refused += 1
        if place not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(place)
            self.tell(f"Network: {message}")

    def _misled(self, place: Place, count: HostCount, error: Misled) -> None:
        count.requests -= 1
        wanted = (error.wanted or "", place[1])
        # A host that is allowed is only to be asked for by its own name.
        allowed = not error.wanted or self.rules.refuse(CONNECT, wanted, None) is None
        remedy = "" if allowed else f" To allow that host: {self.rules.line(wanted)}"
        self._note(wanted, count, f"{error}{remedy}")
        logger.info("network.misled", host=place[0], port=place[1], wanted=error.wanted)

    async def _tunnel(self, remote: socket.socket, place: Place, client: Client, count: HostCount) -> None:
        known = bytes(client.connection.trailing_data[0])
        early = known + await stop_reading(client.reader, client.writer)
        loop = asyncio.get_running_loop()
        with own_socket(client.writer) as ours:
            await loop.sock_sendall(ours, ESTABLISHED)
            try:
                await Tunnel(ours, remote).run(
                    lambda: read_opening(ours, early, place),
                    lambda size: self.counts.move(count, sent=size),
                    lambda size: self.counts.move(count, received=size),
                )
            except Misled as error:
                self._misled(place, count, error)
                with suppress(OSError):
                    await loop.sock_sendall(ours, error.answer)

    async def _forward(
        self, remote: socket.socket, request: h11.Request, target: Target, client: Client, count: HostCount
    ) -> None:
        reader, writer = await asyncio.open_connection(sock=remote.dup(), limit=1 << 18)
        try:
            forward = Forward(client.connection, client.reader, client.writer, reader, writer)
            await forward.run(
                request,
                target,
                lambda size: self.counts.move(count, sent=size),
                lambda size: self.counts.move(count, received=size),
            )
        finally:
            # What was not taken is not waited for: the answer is here, or there is none.
            writer.transport.abort()
