"""A command's streams: from the engine's connection to the worker's descriptors, and the other way.

No write ever blocks the worker: a pipe is opened anew without blocking, as the flag belongs to the opening
and not to the descriptor, and the caller's own stays as it is.
"""

import asyncio
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress

CHUNK_BYTES = 65536
FRAME_HEAD_BYTES = 8
STDOUT, STDERR = 1, 2
"""A frame's first byte; its last four are the length of what follows."""


class Descriptor:
    """A copy of one of the worker's descriptors."""

    def __init__(self, number: int, *, write: bool) -> None:
        kind = os.fstat(number).st_mode
        self.socket = None
        self.waits = stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)
        """Whether it may have to wait for another process: files of the disk never do."""
        if stat.S_ISFIFO(kind):
            direction = os.O_WRONLY if write else os.O_RDONLY
            self.number = os.open(f"/proc/self/fd/{number}", direction | os.O_NONBLOCK | os.O_CLOEXEC)
        else:
            self.number = os.dup(number)
        if stat.S_ISSOCK(kind):
            self.socket = socket.socket(fileno=self.number)

    async def write(self, content: bytes) -> None:
        """All of it. Raises OSError where nobody reads any more."""
        left = memoryview(content)
        while left:
            try:
                written = (
                    self.socket.send(left, socket.MSG_DONTWAIT)
                    if self.socket
                    else os.write(self.number, left)
                )
                left = left[written:]
            except BlockingIOError:
                await self.ready(write=True)

    async def read(self) -> bytes:
        """Empty at its end."""
        while True:
            try:
                if self.socket:
                    return self.socket.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
                return os.read(self.number, CHUNK_BYTES)
            except BlockingIOError:
                await self.ready(write=False)

    async def ready(self, *, write: bool) -> None:
        loop = asyncio.get_running_loop()
        able: asyncio.Future[None] = loop.create_future()
        add, remove = (
            (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
        )
        add(self.number, lambda: able.done() or able.set_result(None))
        try:
            await able
        finally:
            remove(self.number)

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        else:
            os.close(self.number)


class CommandStreams:
    """The copies of what a command was given, made before the caller closes its own."""

    def __init__(self, stdin: int | None, stdout: int | None, stderr: int | None) -> None:
        self.stdin = None if stdin is None else Descriptor(stdin, write=False)
        self.stdout = None if stdout is None else Descriptor(stdout, write=True)
        self.stderr = self.stdout if stderr is None else Descriptor(stderr, write=True)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until the engine has said everything."""
        typing = asyncio.create_task(self.carry_in(writer))
        try:
            await carry_out(reader, {STDOUT: self.stdout, STDERR: self.stderr})
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)
            writer.close()
            self.close()

    async def carry_in(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while self.stdin and (content := await self.stdin.read()):
                writer.write(content)
                await writer.drain()
            if self.stdin:
                writer.write_eof()

    def close(self) -> None:
        for descriptor in {self.stdin, self.stdout, self.stderr} - {None}:
            assert descriptor
            descriptor.close()
        self.stdin = self.stdout = self.stderr = None


async def carry_out(reader: asyncio.StreamReader, sinks: Mapping[int, Descriptor | None]) -> None:
    """Where a sink's reader has gone, the rest of its stream is dropped."""
    open_sinks = dict(sinks)
    with suppress(EOFError, ConnectionError):
        while True:
            head = await reader.readexactly(FRAME_HEAD_BYTES)
            length = int.from_bytes(head[4:], "big")
            while length:
                content = await reader.read(min(length, CHUNK_BYTES))
                if not content:
                    return
                length -= len(content)
                sink = open_sinks.get(head[0])
                if sink:
                    try:
                        await sink.write(content)
                    except OSError:
                        open_sinks[head[0]] = None
