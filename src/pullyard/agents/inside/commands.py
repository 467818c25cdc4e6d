"""Shell commands of the model: bounded in time and in what is kept of their output."""

import asyncio
import os
import signal
from collections import deque
from contextlib import suppress
from typing import BinaryIO

HEAD_BYTES = 8 << 10
TAIL_BYTES = 20 << 10
LINGER_SECONDS = 0.5
"""For output of what a command left in the background, before that is ended."""
_PIECE_BYTES = 64 << 10


class Kept:
    """The begin and the end of an output of any length."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._dropped_bytes = 0

    def add(self, piece: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        self._head += piece[:room]
        if rest := piece[room:]:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
        while self._tail and self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
            dropped = len(self._tail.popleft())
            self._tail_bytes -= dropped
            self._dropped_bytes += dropped

    def text(self) -> str:
        tail = b"".join(self._tail)
        dropped = self._dropped_bytes + max(0, len(tail) - TAIL_BYTES)
        notice = f"\n[{dropped} bytes left out]\n".encode() if dropped else b""
        return (bytes(self._head) + notice + tail[-TAIL_BYTES:]).decode(errors="replace")


async def run_shell(command: str, seconds: float) -> str:
    """What it printed and how it ended; nothing of its process group is left."""
    # A pipe of our own: asyncio's would have ``wait`` last until whatever inherited it has ended, too.
    inner, outer = os.pipe()
    with os.fdopen(inner, "rb", 0) as printed:
        try:
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=outer,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.close(outer)
        kept = Kept()
        reading = asyncio.create_task(_read(printed, kept))
        try:
            async with asyncio.timeout(seconds):
                exit_code = await process.wait()
            ending = f"[exit code {exit_code}]"
        except TimeoutError:
            ending = f"[stopped by its time limit of {seconds:g} seconds]"
        finally:
            await asyncio.wait({reading}, timeout=LINGER_SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            reading.cancel()
            await process.wait()
    return f"{kept.text()}\n{ending}".lstrip("\n")


async def _read(printed: BinaryIO, kept: Kept) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), printed)
    try:
        while piece := await reader.read(_PIECE_BYTES):
            kept.add(piece)
    finally:
        transport.close()
