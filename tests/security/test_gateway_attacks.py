"""A gateway's client can't keep the worker from its other work."""

import asyncio

from tests.integration.test_gateway import gateway_to
from tests.model_server import ModelServer, Text

BEGIN = "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_body_in_chunks_of_a_byte_is_refused_before_its_end() -> None:
    async with ModelServer([Text("unused", 1, 1)]) as server, gateway_to(server) as (gateway, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(BEGIN.format(port=gateway.port).encode() + b"1\r\nx\r\n" * 1000)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()
