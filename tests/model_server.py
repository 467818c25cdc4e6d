"""A model server for tests that speaks Anthropic's Messages API from a script, with and without streaming."""

import asyncio
import itertools
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import h11


@dataclass(frozen=True)
class Text:
    text: str
    input_tokens: int = 100
    output_tokens: int = 20


@dataclass(frozen=True)
class ToolUse:
    name: str
    input: dict[str, Any]
    input_tokens: int = 100
    output_tokens: int = 20


@dataclass(frozen=True)
class Failure:
    status: int
    kind: str = "api_error"
    message: str = "The model is unwell."
    headers: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Raw:
    """Bytes after the headers, as they are; ``hang`` leaves the answer open until the client goes."""

    body: bytes
    content_type: str = "text/event-stream"
    hang: bool = False


Turn = Text | ToolUse | Failure | Raw


@dataclass(frozen=True)
class Recorded:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class ModelServer:
    """``async with ModelServer([Text("hi")]) as server``. A request with tools or no side job takes a turn.

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
        return [request for request in self.requests if self._takes_turn(request)]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(connection, reader, writer):
                connection.start_next_cycle()
        except (ConnectionError, h11.RemoteProtocolError):
            self.client_gone.set()
        finally:
            writer.close()

    async def _exchange(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
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
                return False
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        recorded = Recorded(request.method.decode(), request.target.decode(), headers, body)
        self.requests.append(recorded)
        self.received.set()
        if self.release is not None:
            await self.release.wait()
        for piece in self._answer(recorded):
            writer.write(connection.send(piece) or b"")
            await writer.drain()
            if isinstance(piece, h11.Data) and self._hangs:
                await reader.read()
                raise ConnectionResetError
        return connection.our_state is h11.DONE

    def _takes_turn(self, request: Recorded) -> bool:
        return request.target.split("?")[0] == "/v1/messages" and (
            not request.json.get("stream")
            or bool(request.json.get("tools"))
            or "script" in request.json["model"]
        )

    def _answer(self, request: Recorded) -> list[Any]:
        self._hangs = False
        path = request.target.split("?")[0]
        if path == "/v1/models":
            return _json_answer(200, {"data": [], "has_more": False})
        if path == "/v1/messages/count_tokens":
            return _json_answer(200, {"input_tokens": 7})
        turn = next(self._turns) if self._takes_turn(request) else Text("ok", 1, 1)
        if isinstance(turn, Failure):
            error = {"type": "error", "error": {"type": turn.kind, "message": turn.message}}
            return _json_answer(turn.status, error, turn.headers)
        if isinstance(turn, Raw):
            self._hangs = turn.hang
            return _answer(200, turn.content_type, [turn.body])
        message = _message(turn, request.json["model"], len(self.requests))
        if request.json.get("stream"):
            return _answer(200, "text/event-stream", stream_events(message))
        return _json_answer(200, message)


def _message(turn: Text | ToolUse, model: str, number: int) -> dict[str, Any]:
    if isinstance(turn, Text):
        block: dict[str, Any] = {"type": "text", "text": turn.text}
    else:
        block = {"type": "tool_use", "id": f"toolu_{number:04}", "name": turn.name, "input": turn.input}
    return {
        "id": f"msg_{number:04}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [block],
        "stop_reason": "end_turn" if isinstance(turn, Text) else "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": turn.input_tokens, "output_tokens": turn.output_tokens},
    }


def stream_events(message: dict[str, Any]) -> list[bytes]:
    """The server-sent events that carry one message, each as it is on the wire."""
    block = message["content"][0]
    start = {**message, "content": [], "stop_reason": None}
    start["usage"] = {"input_tokens": message["usage"]["input_tokens"], "output_tokens": 1}
    if block["type"] == "text":
        opened, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        opened = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": opened},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": message["usage"]["output_tokens"]},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def _json_answer(status: int, value: dict[str, Any], headers: Sequence[tuple[str, str]] = ()) -> list[Any]:
    return _answer(status, "application/json", [json.dumps(value).encode()], headers)


def _answer(
    status: int, content_type: str, chunks: Sequence[bytes], headers: Sequence[tuple[str, str]] = ()
) -> list[Any]:
    fields = [("content-type", content_type), ("request-id", "req_test"), *headers]
    if content_type == "application/json":
        fields.append(("content-length", str(sum(map(len, chunks)))))
    response = h11.Response(status_code=status, headers=fields)
    return [response, *(h11.Data(data=chunk) for chunk in chunks), h11.EndOfMessage()]
