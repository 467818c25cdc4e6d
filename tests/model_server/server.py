"""The scripted server: reads a request, takes a turn, writes it in the format in which it was asked."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import h11

from tests.model_server.anthropic import Anthropic
from tests.model_server.clouds import Bedrock, Vertex
from tests.model_server.gemini import Gemini
from tests.model_server.openai_chat import OpenAIChat
from tests.model_server.openai_responses import OpenAIResponses
from tests.model_server.script import (
    Broken,
    Failure,
    Format,
    Held,
    Raw,
    Recorded,
    Reply,
    Slow,
    Text,
    ToolUse,
    Turn,
    reply_json,
)

FORMATS: Sequence[Format] = (
    Anthropic(),
    Vertex(),
    Bedrock(),
    Gemini(),
    OpenAIResponses(),
    OpenAIChat(),
)
NOT_FOUND = Failure(404, "not_found_error", "The scripted server does not know this address.")
Event = h11.Response | h11.Data | h11.EndOfMessage


@dataclass
class ModelServer:
    """``async with ModelServer([Text("hi")]) as server``. What agents ask beside their work takes no turn.

    When the script is over, the last turn is repeated.
    """

    script: Sequence[Turn]
    requests: list[Recorded] = field(default_factory=list)
    client_gone: asyncio.Event = field(default_factory=asyncio.Event)
    received: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event | None = None
    """Set on, every answer waits for it."""

    async def __aenter__(self) -> "ModelServer":
        self._turns = itertools.chain(self.script, itertools.repeat(self.script[-1]))
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, family=socket.AF_INET)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._tasks: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def model_requests(self) -> list[Recorded]:
        """Those that took a turn of the script."""
        return [
            request
            for request in self.requests
            if (spoken := _format(request)) is not None and spoken.aside(request) is None
        ]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while request := await _receive(connection, reader):
                self.requests.append(request)
                self.received.set()
                if self.release is not None:
                    await self.release.wait()
                async for event in self._answer(request, reader):
                    writer.write(connection.send(event) or b"")
                    await writer.drain()
                connection.start_next_cycle()
        except (ConnectionError, h11.ProtocolError):
            self.client_gone.set()
        finally:
            writer.close()

    async def _answer(self, request: Recorded, reader: asyncio.StreamReader) -> AsyncIterator[Event]:
        spoken = _format(request)
        if spoken is None:
            spoken, turn = OpenAIChat(), NOT_FOUND
        elif (aside := spoken.aside(request)) is not None:
            turn = aside
        else:
            turn = next(self._turns)
        if isinstance(turn, Held):
            turn.asked.set()
            await turn.release.wait()
            turn = turn.turn
        seconds = turn.seconds if isinstance(turn, Slow) else 0.0
        turn = turn.turn if isinstance(turn, Slow) else turn
        for event in _events(turn, spoken, request, len(self.requests)):
            await asyncio.sleep(seconds)
            yield event
            if isinstance(turn, Raw) and turn.hang and isinstance(event, h11.Data):
                await reader.read()
                raise ConnectionResetError


def _format(request: Recorded) -> Format | None:
    return next((one for one in FORMATS if one.speaks(request)), None)


async def _receive(connection: h11.Connection, reader: asyncio.StreamReader) -> Recorded | None:
    """None where the client has closed."""
    request, body = None, b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65536))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return None
    assert request is not None
    headers = {name.decode(): value.decode() for name, value in request.headers}
    return Recorded(request.method.decode(), request.target.decode(), headers, body)


def _events(turn: Turn | Reply, spoken: Format, request: Recorded, number: int) -> Iterator[Event]:
    if isinstance(turn, Failure):
        reply = reply_json(spoken.error(turn))
        yield from _message(turn.status, reply, turn.headers)
    elif isinstance(turn, Raw):
        yield from _message(200, Reply(turn.content_type, [turn.body]))
    elif isinstance(turn, Reply):
        yield from _message(200, turn)
    elif isinstance(turn, Broken):
        whole = spoken.reply(turn.turn, request, number)
        begun = b"".join(whole.pieces)[: turn.after_bytes]
        yield from _message(200, Reply(whole.content_type, [begun, b""]))[:2]
        raise ConnectionResetError
    else:
        assert isinstance(turn, Text | ToolUse)
        yield from _message(200, spoken.reply(turn, request, number))


def _message(status: int, reply: Reply, headers: Sequence[tuple[str, str]] = ()) -> list[Event]:
    fields = [("content-type", reply.content_type), ("request-id", "req_test"), *headers]
    if reply.content_type.startswith("application/json") and len(reply.pieces) == 1:
        fields.append(("content-length", str(len(reply.pieces[0]))))
    data = (h11.Data(data=piece) for piece in reply.pieces)
    return [h11.Response(status_code=status, headers=fields), *data, h11.EndOfMessage()]
