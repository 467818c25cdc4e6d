"""One request over plain HTTP, passed on: both sides are parsed and written anew, so nothing is smuggled."""

import asyncio
import itertools
from contextlib import suppress

import h11

from pullyard.worker.gateway.grammar import Malformed
from pullyard.worker.gateway.rules import HTTP_PORT
from pullyard.worker.gateway.splice import Moved, splice
from pullyard.worker.gateway.streams import own_socket, stop_reading
from pullyard.worker.gateway.targets import Target

READ_BYTES = 256 << 10
TURN_EVENTS = 64
"""Passed on before the worker's other work gets its turn: chunks of a byte cost much more than they move."""
HEADER_LIMIT_BYTES = 64 << 10
LARGE_BYTES = 1 << 20
"""Of a counted answer: from here on its body is moved by the kernel, and only its head is read."""
IDLE_SECONDS = 300.0
TOTAL_SECONDS = 6 * 3600.0

_OF_ONE_HOP = frozenset(
    {
        *(b"connection", b"proxy-connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding"),
        *(b"upgrade", b"expect", b"host", b"proxy-authorization", b"proxy-authenticate", b"proxy-status"),
    }
)

Headers = list[tuple[bytes, bytes]]


class Forward:
    """Used once: a connection to the host is for one request. The host's streams are closed by the caller."""

    def __init__(
        self,
        client: h11.Connection,
        client_reader: asyncio.StreamReader,
        client_writer: asyncio.StreamWriter,
        host_reader: asyncio.StreamReader,
        host_writer: asyncio.StreamWriter,
    ) -> None:
        self._client = client
        self._client_reader = client_reader
        self._client_writer = client_writer
        self._host = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEADER_LIMIT_BYTES)
        self._host_reader = host_reader
        self._host_writer = host_writer

    async def run(self, request: h11.Request, target: Target, sent: Moved, received: Moved) -> None:
        """Raises Malformed where there is no answer to pass on, ConnectionError where it broke off."""
        uploading = asyncio.ensure_future(self._upload(request, target, sent))
        downloading = asyncio.ensure_future(self._download(request.method, received))
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await asyncio.wait({uploading, downloading}, return_when=asyncio.FIRST_COMPLETED)
                # An answer may come before the request's end: then the rest is not wanted.
                if not downloading.done():
                    uploading.result()
                await downloading
        except (h11.ProtocolError, ConnectionError, TimeoutError) as error:
            raise self._broken(f"{target.place[0]} broke off, or one side spoke no HTTP.") from error
        finally:
            for task in (uploading, downloading):
                task.cancel()
            await asyncio.gather(uploading, downloading, return_exceptions=True)

    def _broken(self, message: str) -> Exception:
        if self._client.our_state is h11.SEND_RESPONSE:
            return Malformed(502, message, plain=True)
        return ConnectionResetError(message)

    async def _upload(self, request: h11.Request, target: Target, sent: Moved) -> None:
        head = h11.Request(
            method=request.method, target=target.path or "/", headers=outgoing(request, target)
        )
        await self._tell_host(head, sent)
        for number in itertools.count(1):
            if number % TURN_EVENTS == 0:
                await asyncio.sleep(0)
            event = self._client.next_event()
            if event is h11.NEED_DATA:
                if self._client.they_are_waiting_for_100_continue:
                    informed = h11.InformationalResponse(status_code=100, headers=[])
                    self._client_writer.write(self._client.send(informed) or b"")
                async with asyncio.timeout(IDLE_SECONDS):
                    self._client.receive_data(await self._client_reader.read(READ_BYTES))
            elif isinstance(event, h11.Data):
                await self._tell_host(event, sent)
            elif isinstance(event, h11.EndOfMessage):
                await self._tell_host(h11.EndOfMessage(), sent)
                return
            else:
                raise ConnectionResetError("The client is gone.")

    async def _tell_host(self, event: h11.Request | h11.Data | h11.EndOfMessage, sent: Moved) -> None:
        data = self._host.send(event) or b""
        sent(len(data))
        self._host_writer.write(data)
        # A host may answer without reading on, and is heard all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            async with asyncio.timeout(IDLE_SECONDS):
                await self._host_writer.drain()

    async def _download(self, method: bytes, received: Moved) -> None:
        for number in itertools.count(1):
            if number % TURN_EVENTS == 0:
                await asyncio.sleep(0)
            event = self._host.next_event()
            if event is h11.NEED_DATA:
                async with asyncio.timeout(IDLE_SECONDS):
                    data = await self._host_reader.read(READ_BYTES)
                received(len(data))
                self._host.receive_data(data)
            elif isinstance(event, h11.Response):
                status, reason = event.status_code, event.reason
                answer = h11.Response(
                    status_code=status, headers=kept(event.headers.raw_items()), reason=reason
                )
                await self._tell_client(answer)
                if (size := counted_bytes(event, method)) >= LARGE_BYTES:
                    await self._pass_on(size, received)
                    await self._tell_client(h11.EndOfMessage())
                    return
            elif isinstance(event, h11.Data):
                await self._tell_client(event)
            elif isinstance(event, h11.EndOfMessage):
                await self._tell_client(h11.EndOfMessage())
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionResetError("The host is gone.")

    async def _pass_on(self, size: int, received: Moved) -> None:
        """The answer's whole body, from one socket to the other."""
        known = bytes(self._host.trailing_data[0])
        read = await stop_reading(self._host_reader, self._host_writer)
        received(len(read))
        first = (known + read)[:size]
        self._client.send_with_data_passthrough(h11.Data(data=_Counted(size)))  # type: ignore[arg-type]
        transport = self._client_writer.transport
        # All that was written goes before what goes by the socket itself.
        transport.set_write_buffer_limits(high=0)
        self._client_writer.write(first)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(IDLE_SECONDS) as patience:

            def count(moved: int) -> None:
                patience.reschedule(loop.time() + IDLE_SECONDS)
                received(moved)

            await self._client_writer.drain()
            with own_socket(self._client_writer) as ours, own_socket(self._host_writer) as theirs:
                if await splice(theirs, ours, count, size - len(first)) < size - len(first):
                    raise ConnectionResetError("The host is gone.")
        transport.set_write_buffer_limits()

    async def _tell_client(self, event: h11.Response | h11.Data | h11.EndOfMessage) -> None:
        self._client_writer.write(self._client.send(event) or b"")
        async with asyncio.timeout(IDLE_SECONDS):
            await self._client_writer.drain()


class _Counted:
    """Stands for a body that is moved elsewhere: only its size is asked for."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


def counted_bytes(answer: h11.Response, method: bytes) -> int:
    """Of the body that follows; 0 where there is none, or no number says how long it is."""
    headers = dict(answer.headers)
    if method == b"HEAD" or answer.status_code in (204, 304) or b"transfer-encoding" in headers:
        return 0
    return int(headers.get(b"content-length", b"0"))


def outgoing(request: h11.Request, target: Target) -> Headers:
    host, port = target.place
    name = host if port == HTTP_PORT else f"{host}:{port}"
    headers = [(b"host", name.encode("ascii")), *kept(request.headers.raw_items()), (b"connection", b"close")]
    if any(header == b"transfer-encoding" for header, _ in request.headers):
        headers.append((b"transfer-encoding", b"chunked"))
    return headers


def kept(headers: Headers) -> Headers:
    """Those that are not for this hop alone."""
    dropped = set(_OF_ONE_HOP)
    for name, value in headers:
        if name.lower() == b"connection":
            dropped |= {word.strip().lower() for word in value.split(b",")}
    # Framing is no hop's to take away: a length that was named away would leave a body to be misread.
    dropped -= {b"content-length"}
    return [(name, value) for name, value in headers if name.lower() not in dropped]
