"""A TCP proxy between worker and coordinator: records what the worker sends, and can be cut and mended."""

import asyncio
from dataclasses import dataclass, field
from urllib.parse import urlsplit

PIECE_BYTES = 64 << 10


@dataclass
class FaultProxy:
    """``sent`` is every byte that went from the worker to the coordinator, in the order of arrival."""

    target: str
    sent: bytearray = field(default_factory=bytearray)
    cut: bool = False
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    url: str = ""
    accepted: int = 0
    refused: int = 0
    _refusal: asyncio.Event = field(default_factory=asyncio.Event)
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _holds: bytes = b""
    _held: asyncio.Event = field(default_factory=asyncio.Event)
    _let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> "FaultProxy":
        self._flows.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.break_off()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def break_off(self) -> None:
        """End every connection; while ``cut`` is set no new one lives either."""
        for writer in list(self._open):
            writer.transport.abort()

    def cut_off(self) -> None:
        self.cut = True
        self.break_off()

    async def until_refused(self, count: int) -> None:
        """Return when so many connections were refused in all."""
        while self.refused < count:
            self._refusal.clear()
            await self._refusal.wait()

    def mend(self) -> None:
        self.cut = False
        self._flows.set()

    def freeze(self) -> None:
        """Pass nothing on and say nothing, as a network does that has lost the other end."""
        self._flows.clear()

    def hold_answer(self, request: bytes) -> None:
        """Of the next connection on which ``request`` is sent, no answer passes until ``let_go``."""
        self._holds = request

    async def until_held(self) -> None:
        await self._held.wait()

    def let_go(self) -> None:
        self._let_go.set()

    async def until_sent(self, request: bytes, times: int) -> None:
        """Return when it was sent so many times in all."""
        while self.sent.count(request) < times:
            self._news.clear()
            await self._news.wait()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cut:
            self.refused += 1
            self._refusal.set()
            writer.transport.abort()
            return
        self.accepted += 1
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(self.target)
        self._open.add(writer)
        try:
            inner, outer = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.transport.abort()
            return
        self._open.add(outer)
        passes = asyncio.Event()
        passes.set()
        try:
            await asyncio.gather(
                self._pump(reader, outer, passes, record=True),
                self._pump(inner, writer, passes, record=False),
            )
        finally:
            self._open -= {writer, outer}
            writer.transport.abort()
            outer.transport.abort()

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        passes: asyncio.Event,
        *,
        record: bool,
    ) -> None:
        try:
            while data := await source.read(PIECE_BYTES):
                if record:
                    self.sent += data
                    self._news.set()
                    if self._holds and self._holds in data:
                        self._holds = b""
                        passes.clear()
                        self._held.set()
                elif not passes.is_set():
                    await self._let_go.wait()
                await self._flows.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()
