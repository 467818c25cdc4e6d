"""A stream's socket, taken over from the stream."""

import asyncio
import os
import socket


def own_socket(writer: asyncio.StreamWriter) -> socket.socket:
    """With a descriptor of its own, as a stream's can't be watched by others. The caller closes it."""
    ours = socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno()))
    ours.settimeout(0)
    return ours


async def stop_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What the stream had read already; from here on it reads nothing."""
    transport = writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()
    reader.feed_eof()
    read = await reader.read()
    # Emptying the stream's buffer may have set it reading again.
    transport.pause_reading()
    return read
