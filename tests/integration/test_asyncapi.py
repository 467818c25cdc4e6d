"""The AsyncAPI document is right in itself, and what goes over the socket is what it says."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import BaseModel

from pullyard.coordinator.hub.asyncapi import SAID_BY_THE_SERVER, document, types_of
from pullyard.protocol.resources import TaskInput
from pullyard.protocol.stream import (
    ClientMessage,
    CreateTask,
    Ping,
    Pong,
    ServerMessage,
    SubscribeEvents,
    SubscribeLog,
    Unsubscribe,
)
from tests.coordinator import running_coordinator
from tests.live import Message, begin, listening

SCHEMA = json.loads((Path(__file__).parent.parent / "asyncapi_schema.json").read_text())


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from references(inner)


def check_message(message: Message) -> None:
    """Raises ValidationError where the message is not what the document says of its type."""
    whole = {"$ref": f"#/components/messages/{message['type']}/payload", **document()}
    jsonschema.validate(message, whole, cls=jsonschema.Draft202012Validator)


def test_the_document_is_of_its_standard() -> None:
    jsonschema.validate(document(), SCHEMA)
    for reference in references(document()):
        place: Any = document()
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]
        assert isinstance(place, dict), reference


def test_every_message_of_the_protocol_is_in_it() -> None:
    unions = [*get_args(get_args(ClientMessage)[0]), *get_args(get_args(ServerMessage)[0])]
    types = {kind for model in unions for kind in types_of(model)}
    assert document()["components"]["messages"].keys() == types


CLIENT: list[BaseModel] = [
    SubscribeEvents(id="a", project_ids=["p"], cursor=1, snapshot=True),
    SubscribeLog(id="a", execution_id="e", stream="implement", offset=3),
    Unsubscribe(id="a"),
    CreateTask(request_id="r", project_id="p", task=TaskInput(title="x")),
    Ping(),
    Pong(),
]


@pytest.mark.parametrize("message", CLIENT, ids=lambda message: message.type)
def test_what_clients_say_fits(message: BaseModel) -> None:
    check_message(message.model_dump(mode="json"))


def test_what_is_wrong_does_not_fit() -> None:
    for wrong in (
        {"type": "ping", "more": 1},
        {"type": "subscribe-log", "id": "a"},
        {"type": "pong", "v": 2},
    ):
        with pytest.raises(jsonschema.ValidationError):
            check_message(wrong)


async def test_what_the_server_sends_fits(database_url: str) -> None:
    fields = {kind: model.model_fields.keys() for model in SAID_BY_THE_SERVER for kind in types_of(model)}
    heard: set[str] = set()
    async with running_coordinator(database_url, stream_ping_seconds=0.2) as coordinator:
        assert (await coordinator.get("/asyncapi.json")) == document()
        worker, grant = await begin(coordinator)
        about = {"id": "log", "execution_id": grant.execution_id, "stream": "implement"}
        said: list[Message] = [
            {"type": "subscribe-events", "id": "all", "cursor": 0},
            {"type": "subscribe-events", "id": "p", "project_id": grant.project_id, "snapshot": True},
            {"type": "subscribe-events", "id": "t", "task_id": grant.task.id, "snapshot": True},
            {"type": "subscribe-events", "id": "e", "execution_id": grant.execution_id, "snapshot": True},
            {"type": "subscribe-log", **about},
            {
                "type": "create-task",
                "request_id": "r",
                "project_id": grant.project_id,
                "task": {"title": "x"},
            },
            {"type": "create-task", "request_id": "r", "project_id": "x", "task": {"title": "x"}},
            {"type": "subscribe-log", **about, "id": "no", "execution_id": "x"},
            {"type": "nothing"},
            {"type": "ping"},
        ]
        async with listening(coordinator) as socket:
            for message in said:
                await socket.send(json.dumps(message))
            await worker.log(grant, "é\n".encode())
            await worker.log(grant, b"\xff", offset=3)
            await worker.deliver(grant)
            wanted = fields.keys() - {"automation-update", "notification"}
            async with asyncio.timeout(60):
                while not heard >= wanted:
                    message = json.loads(await socket.recv())
                    check_message(message)
                    assert message.keys() <= fields[message["type"]]
                    heard.add(message["type"])
