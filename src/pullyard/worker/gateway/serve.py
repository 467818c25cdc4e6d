"""Serves a sandbox's gateway on a listening socket: the model provider's API, and the way out by proxy."""

import asyncio
import socket
from dataclasses import dataclass, field

import h11
import structlog

from pullyard.worker.gateway.egress import Client, Egress
from pullyard.worker.gateway.exchange import Exchange
from pullyard.worker.gateway.grammar import BODY_LIMIT_BYTES, Malformed
from pullyard.worker.gateway.ledger import Ledger
from pullyard.worker.gateway.provider import Provider, encode_error
from pullyard.worker.gateway.targets import is_for_proxy
from pullyard.worker.gateway.upstream import Upstream

MOST_CONNECTIONS = 128
"""Of a command, at one time; more wait outside of this process until one ends."""
BODIES_LIMIT_BYTES = 2 * BODY_LIMIT_BYTES
"""Of all requests that are held at once, so that an agent can't fill the worker's memory."""
FREE_PIECES = 256
LEAST_PIECE_BYTES = 256
"""On average, beyond the free ones: reading chunks of a byte would keep the worker from all else."""
LINGER_SECONDS = 2.0
HEADER_LIMIT_BYTES = 64 << 10
HEAD_SECONDS = 30.0
"""For the whole head of a request, from its first byte."""
IDLE_SECONDS = 300.0
ACCEPT_AGAIN_SECONDS = 1.0
_READ_BYTES = 64 << 10

logger = structlog.get_logger(__name__)


@dataclass
class Gateway:
    """``async with Gateway(...)`` serves until the block ends; then every exchange is cancelled and counted.

    ``listener`` is a listening TCP socket's file descriptor, such as ``Process.listener``; it is closed here.
    """

    listener: int
    provider_name: str | None = None
    """None for commands that are no agent's: they have no model."""
    upstream: Upstream | None = None
    ledger: Ledger = field(default_factory=Ledger)
    egress: Egress | None = None
    """None lets nothing out but to the provider."""
    head_seconds: float = HEAD_SECONDS
    _connections: set[asyncio.Task[None]] = field(default_factory=set)
    _held_bytes: int = 0

    @property
    def provider(self) -> Provider | None:
        """Raises RequestError for a name that is not in the worker's configuration."""
        if self.provider_name is None or self.upstream is None:
            return None
        return self.upstream.provider(self.provider_name)

    async def __aenter__(self) -> "Gateway":
        self._listener = socket.socket(fileno=self.listener)
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self) -> None:
        """No more than are served at once: a flood of them stays in the queue of its sandbox's network."""
        room = asyncio.Semaphore(MOST_CONNECTIONS)
        while True:
            await room.acquire()
            try:
                reader, writer = await self._next()
            except OSError as error:
                logger.warning("gateway.not_accepted", problem=str(error))
                room.release()
                await asyncio.sleep(ACCEPT_AGAIN_SECONDS)
            else:
                self._begin(reader, writer, room)

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        accepted, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        try:
            return await asyncio.open_connection(sock=accepted, limit=_READ_BYTES)
        except BaseException:
            accepted.close()
            raise

    def _begin(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, room: asyncio.Semaphore
    ) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._connections.discard(task)
            writer.close()
            room.release()

        connection = asyncio.create_task(self._talk(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(ended)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except OSError:
            # The client went away, or the provider broke off: the client sees an end without a last chunk.
            logger.debug("gateway.connection_ended", provider=self.provider_name)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT_BYTES)
        body = bytearray()
        while True:
            request = None
            try:
                request = await self._receive_head(connection, reader)
                if request is None:
                    return
                if self.egress is not None and is_for_proxy(request):
                    await self.egress.handle(request, Client(connection, reader, writer))
                elif not await self._receive_body(connection, reader, writer, body):
                    return
                else:
                    await self._exchange(connection, (reader, writer)).run(request, bytes(body))
            except Malformed as error:
                head_only = request is not None and request.method == b"HEAD"
                await self._refuse(connection, reader, writer, error, head_only=head_only)
                return
            finally:
                self._held_bytes -= len(body)
                body.clear()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
            # Requests that came in one piece are answered without a wait; others get their turn between them.
            await asyncio.sleep(0)

    def _exchange(
        self, connection: h11.Connection, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> Exchange:
        if self.provider is None or self.upstream is None:
            raise Malformed(404, "There is no model here: this port is a proxy for HTTP and HTTPS.")
        return Exchange(self.provider, self.port, self.upstream, self.ledger, connection, streams)

    async def _receive_head(
        self, connection: h11.Connection, reader: asyncio.StreamReader
    ) -> h11.Request | None:
        """None where the client has closed. Raises Malformed."""
        event, patience = next_event(connection), IDLE_SECONDS
        until = 0.0
        while event is h11.NEED_DATA:
            async with asyncio.timeout(patience):
                connection.receive_data(await reader.read(_READ_BYTES))
            now = asyncio.get_running_loop().time()
            until = until or now + self.head_seconds
            event, patience = next_event(connection), until - now
        return event if isinstance(event, h11.Request) else None

    async def _receive_body(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        body: bytearray,
    ) -> bool:
        """Whether it came whole; False where the client has closed. Raises Malformed."""
        pieces = 0
        while True:
            event = next_event(connection)
            if event is h11.NEED_DATA:
                if connection.they_are_waiting_for_100_continue:
                    informed = h11.InformationalResponse(status_code=100, headers=[])
                    writer.write(connection.send(informed) or b"")
                async with asyncio.timeout(IDLE_SECONDS):
                    connection.receive_data(await reader.read(_READ_BYTES))
            elif isinstance(event, h11.Data):
                body += event.data
                self._held_bytes += len(event.data)
                pieces += 1
                if pieces > FREE_PIECES + len(body) // LEAST_PIECE_BYTES:
                    raise Malformed(400, "A request is sent in larger pieces than these.")
                if len(body) > BODY_LIMIT_BYTES or self._held_bytes > BODIES_LIMIT_BYTES:
                    raise Malformed(413, f"A request holds at most {BODY_LIMIT_BYTES} bytes.")
            else:
                return isinstance(event, h11.EndOfMessage)

    async def _refuse(
        self,
        connection: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        error: Malformed,
        *,
        head_only: bool,
    ) -> None:
        kind, body = self._explain(error)
        headers = [("content-type", kind), ("content-length", str(len(body))), ("connection", "close")]
        writer.write(connection.send(h11.Response(status_code=error.status, headers=headers)) or b"")
        if not head_only:
            writer.write(connection.send(h11.Data(data=body)) or b"")
        writer.write_eof()
        # Closing with unread bytes would reset the connection before the client has read why.
        async with asyncio.timeout(LINGER_SECONDS):
            while await reader.read(_READ_BYTES):
                continue

    def _explain(self, error: Malformed) -> tuple[str, bytes]:
        """In the provider's own shape where an agent waits for that; in plain words to everybody else."""
        if self.provider is None or error.plain:
            return "text/plain; charset=utf-8", f"{error}\n".encode()
        return "application/json", encode_error(self.provider, error.status, str(error))


def next_event(connection: h11.Connection) -> object:
    """Raises Malformed for what is not HTTP/1.1."""
    try:
        return connection.next_event()
    except h11.RemoteProtocolError as error:
        raise Malformed(error.error_status_hint, f"That is no request: {error}.") from error
