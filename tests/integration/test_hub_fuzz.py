"""Frames of every kind in every order: each is answered or followed, and the coordinator has no fault."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from structlog.testing import capture_logs
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pullyard.protocol.stream import ServerMessage
from tests.coordinator import RunningCoordinator
from tests.live import begin

_messages: TypeAdapter[Any] = TypeAdapter(ServerMessage)

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
TYPES = st.sampled_from(
    ["subscribe-events", "subscribe-log", "unsubscribe", "create-task", "ping", "pong", "subscribed", "x"]
)


def frames(ids: dict[str, str]) -> st.SearchStrategy[str | bytes]:
    """Rubbish, messages with something wrong in them, and right ones that meet each other."""
    names = st.sampled_from(["a", "b", "", "\0", "é" * 50]) | st.text(max_size=101)
    places = st.none() | st.integers(-1, 40) | st.just(2**62)
    known = {name: st.just(value) for name, value in ids.items()}
    project, task, execution = (
        known[name] | st.text(max_size=8) for name in ("project", "task", "execution")
    )
    events = st.fixed_dictionaries(
        {"type": st.just("subscribe-events"), "id": names},
        optional={
            "project_id": project,
            "project_ids": st.lists(project, max_size=3),
            "task_id": task,
            "execution_id": execution,
            "cursor": places,
            "snapshot": st.booleans(),
        },
    )
    log = st.fixed_dictionaries(
        {
            "type": st.just("subscribe-log"),
            "id": names,
            "execution_id": execution,
            "stream": st.sampled_from(["implement", "verify", "nothing"]),
        },
        optional={"offset": places},
    )
    create = st.fixed_dictionaries(
        {
            "type": st.just("create-task"),
            "request_id": names,
            "project_id": project,
            "task": st.fixed_dictionaries({"title": st.text(max_size=10)}) | ANY_JSON,
        },
        optional={"idempotency_key": st.none() | st.text(max_size=5)},
    )
    right = events | log | create | st.fixed_dictionaries({"type": st.just("unsubscribe"), "id": names})
    mixed = st.dictionaries(st.sampled_from(["id", "v", "cursor", "task", "offset"]), ANY_JSON).flatmap(
        lambda fields: TYPES.map(lambda kind: {"type": kind, **fields})
    )
    written = (right | mixed | ANY_JSON).map(json.dumps)
    return written | st.text(max_size=40) | st.binary(max_size=40)


def alive(socket: ClientConnection) -> None:
    """Everything that comes before the answer to a ping is a message by the schema."""
    socket.send('{"type": "ping"}')
    while _messages.validate_json(socket.recv(timeout=60)).type != "pong":
        pass


async def test_no_frames_in_any_order_are_a_fault(coordinator: RunningCoordinator) -> None:
    worker, grant = await begin(coordinator)
    await worker.log(grant, "one\ntwo é\n".encode())
    ids = {"project": grant.project_id, "task": grant.task.id, "execution": grant.execution_id}
    address = coordinator.url.replace("http", "ws", 1) + "/api/v1/stream"
    headers = {"authorization": f"Bearer {coordinator.token}"}

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(frames(ids), min_size=1, max_size=12))
    def send_all(sent: list[str | bytes]) -> None:
        with connect(address, additional_headers=headers, proxy=None, max_size=2**24) as socket:
            for frame in sent:
                socket.send(frame)
            alive(socket)

    with capture_logs() as lines:
        await asyncio.to_thread(send_all)
    assert [line for line in lines if line["log_level"] in ("error", "critical")] == []


async def test_broken_text_closes_one_connection_and_no_other(coordinator: RunningCoordinator) -> None:
    address = coordinator.url.replace("http", "ws", 1) + "/api/v1/stream"
    headers = {"authorization": f"Bearer {coordinator.token}"}

    def send_it() -> int:
        with (
            connect(address, additional_headers=headers, proxy=None) as other,
            connect(address, additional_headers=headers, proxy=None) as socket,
        ):
            socket.send(b"\xff\xfe", text=True)
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=60)
            alive(other)
        assert caught.value.rcvd is not None
        return caught.value.rcvd.code

    assert await asyncio.to_thread(send_it) == 1007
