"""uvicorn's WebSocket protocol, with its transport within the application's reach.

An application that sends through ASGI pays for a dict, a frame and a copy a client; the hub frames a message
once and hands the same bytes to a thousand transports, whose buffers also tell who does not keep up.
"""

from typing import Any

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request

from pullyard.protocol.errors import ProtocolViolation

EXTENSION = "pullyard.socket"
MAX_FRAGMENTS = 1000
UNREAD_BYTES = 64 * 1024


class SocketProtocol(WebSocketsSansIOProtocol):
    scope: Any

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            # The application runs in a task that begins later, and finds it there.
            self.scope["extensions"][EXTENSION] = self

    def handle_ping(self) -> None:
        """Whoever asks again and again without reading the answers gets none, or they would pile up."""
        if self.transport.get_write_buffer_size() > UNREAD_BYTES:
            self.conn.data_to_send()
        else:
            super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Empty fragments cost no bytes of the longest message, but a place in memory each."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    @property
    def over(self) -> bool:
        """Nothing may be written any more: one of the two has said goodbye, or the connection is lost."""
        return self.close_sent or self.disconnected or self.transport.is_closing()


def protocol_of(socket: WebSocket) -> SocketProtocol:
    protocol = socket.scope["extensions"].get(EXTENSION)
    if not isinstance(protocol, SocketProtocol):
        raise ProtocolViolation("The live stream needs the server that Pullyard starts itself.", local=True)
    return protocol
