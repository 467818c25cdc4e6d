"""Bytes from one socket to another, moved by the kernel: they never come into this process.

What is read is what could be written: a slow side holds the fast one back, and nothing piles up.
"""

import asyncio
import fcntl
import itertools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PIPE_BYTES = 1 << 20
TURN_PIECES = 16
"""Moved before the worker's other work gets its turn."""
PATIENT_TURNS = 2
"""Of that other work, before the source is watched: bytes that come meanwhile are moved together."""

Moved = Callable[[int], None]
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


async def splice(source: socket.socket, sink: socket.socket, moved: Moved, size: int | None = None) -> int:
    """Until the source's end, or so many bytes; how many there were. Neither socket blocks or is closed.

    ``moved`` is told of each piece once the sink has it. Raises OSError.
    """
    total = 0
    with _pipe() as (out, into):
        for number in itertools.count(1):
            wanted = PIPE_BYTES if size is None else min(PIPE_BYTES, size - total)
            piece = await _fill(source.fileno(), into, wanted) if wanted else 0
            if piece == 0:
                return total
            await _empty(out, sink.fileno(), piece)
            total += piece
            moved(piece)
            if number % TURN_PIECES == 0:
                await asyncio.sleep(0)
    raise AssertionError


async def _fill(come: int, into: int, wanted: int) -> int:
    loop = asyncio.get_running_loop()
    for number in itertools.count():
        try:
            return os.splice(come, into, wanted, flags=_FLAGS)
        except BlockingIOError:
            if number < PATIENT_TURNS:
                await asyncio.sleep(0)
            else:
                await _ready(loop.add_reader, loop.remove_reader, come)
    raise AssertionError


async def _empty(out: int, go: int, size: int) -> None:
    loop = asyncio.get_running_loop()
    while size > 0:
        try:
            size -= os.splice(out, go, size, flags=_FLAGS)
        except BlockingIOError:
            await _ready(loop.add_writer, loop.remove_writer, go)


async def _ready(add: Callable[..., object], remove: Callable[[int], object], descriptor: int) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    add(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        remove(descriptor)


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    out, into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        # An ordinary account may have used up what it may pin; the smaller pipe works too.
        with suppress(PermissionError):
            fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield out, into
    finally:
        os.close(out)
        os.close(into)
