"""uvicorn's HTTP protocol, with its transport within reach of responses that may have to be cut off."""

import asyncio
from typing import Any

from starlette.requests import HTTPConnection
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pullyard.protocol.errors import ProtocolViolation

EXTENSION = "pullyard.transport"


class HttpProtocol(HttpToolsProtocol):
    """A response that its client does not read can't be ended by closing: its buffer has to leave first."""

    scope: Any

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self.transport}


def transport_of(connection: HTTPConnection) -> asyncio.Transport:
    transport = connection.scope.get("extensions", {}).get(EXTENSION)
    if transport is None:
        raise ProtocolViolation("A stream needs the server that Pullyard starts itself.", local=True)
    return transport
