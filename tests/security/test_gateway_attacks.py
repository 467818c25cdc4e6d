"""A gateway's client can't keep the worker from its other work."""

from tests.integration.test_gateway import gateway_to
from tests.model_server import ModelServer, Text
from tests.tcp import answer_to

BEGIN = "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_a_body_in_chunks_of_a_byte_is_refused_before_its_end() -> None:
    async with ModelServer([Text("unused", 1, 1)]) as server, gateway_to(server) as (gateway, _):
        request = BEGIN.format(port=gateway.port).encode() + b"1\r\nx\r\n" * 1000
        assert (await answer_to(request, gateway.port)).startswith(b"HTTP/1.1 400")
